# cmake --install: libraries, headers, tools, and a package for find_package(SinGANimation).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/SinGANimation)
set_target_properties(sga_flags PROPERTIES EXPORT_NAME flags)
install(TARGETS sga_flags sga_kernels sga_engine sga_layers sga_optim sga_singan sga_consingan sga_gpnn sga_ganimation sga_singanimation
                sga_evaluation
        EXPORT SinGANimationTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT SinGANimationTargets NAMESPACE SinGANimation:: DESTINATION ${package_folder})

# The folders keep their names, so an include line outside reads like one inside: #include "engine/ops.h".
install(DIRECTORY kernels engine layers optim models DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/singanimation
        FILES_MATCHING PATTERN "*.h" PATTERN "pretrained" EXCLUDE)
install(DIRECTORY models/pretrained DESTINATION ${CMAKE_INSTALL_DATADIR}/singanimation)

write_basic_package_version_file(${CMAKE_BINARY_DIR}/SinGANimationConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_file(cmake/SinGANimationConfig.cmake.in SinGANimationConfig.cmake @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/SinGANimationConfig.cmake cmake/FindOneDNN.cmake ${CMAKE_BINARY_DIR}/SinGANimationConfigVersion.cmake
        DESTINATION ${package_folder})
