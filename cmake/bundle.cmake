# Target `bundle` (make bundle): singanimation-bundle/ and a .tar.gz of it in the build folder. It holds the tools, the
# tests and benches for a GPU, and every library they need but glibc, the driver and NVIDIA's; gpu-check runs it all.
# Meant for the preset of the same name, which builds for other machines.
get_property(tests DIRECTORY tests PROPERTY BUILDSYSTEM_TARGETS)
list(FILTER tests INCLUDE REGEX "_gpu_test$|^planted_bugs$")
get_property(benches DIRECTORY bench PROPERTY BUILDSYSTEM_TARGETS)
list(FILTER benches INCLUDE REGEX "(steps|gpu_.*)_bench$|^export_step$")
set(programs singan ganimation singanimation facedata evaluate ${tests} ${benches})
list(TRANSFORM programs REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE files)
list(JOIN files "|" files)
add_custom_target(bundle
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DFOLDER=${CMAKE_BINARY_DIR}/singanimation-bundle
          -DLIBRARIES=${CMAKE_BINARY_DIR}
          -DPROGRAMS=${files} -DSTRIP=${CMAKE_STRIP} -P ${CMAKE_SOURCE_DIR}/cmake/make_bundle.cmake
  DEPENDS ${programs} VERBATIM)
