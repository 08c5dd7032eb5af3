# find_package(SinGANimation), then target_link_libraries(x PRIVATE SinGANimation::engine), or ::layers, ::optim,
# ::singan, ::ganimation, ::singanimation.
include(CMakeFindDependencyMacro)
find_dependency(OpenMP)
list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
find_dependency(OneDNN)
find_dependency(Threads)
find_dependency(nlohmann_json)  # of the static engine library, at link time only
include(${CMAKE_CURRENT_LIST_DIR}/SinGANimationTargets.cmake)
