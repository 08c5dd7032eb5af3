# cmake -DSOURCE=<tree> -DFOLDER=<to make> -DPROGRAMS=a|b|... -DLIBRARIES=<our own> -DSTRIP=strip -P make_bundle.cmake
set(limit_mb 40)
string(REPLACE "|" ";" PROGRAMS "${PROGRAMS}")
file(REMOVE_RECURSE ${FOLDER})
file(COPY ${PROGRAMS} DESTINATION ${FOLDER}/bin)
file(GLOB programs ${FOLDER}/bin/*)
file(COPY ${LIBRARIES}/tests/gpu_tests.txt DESTINATION ${FOLDER}/bin)

# What belongs to glibc and to NVIDIA comes from the machine it runs on.
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${programs} RESOLVED_DEPENDENCIES_VAR libraries DIRECTORIES ${LIBRARIES}
     UNRESOLVED_DEPENDENCIES_VAR missing
     PRE_EXCLUDE_REGEXES "^lib(c|m|dl|rt|pthread|resolv|mvec)\\.so" "^ld-linux" "^lib(cuda|cudart|cublas|cublasLt|cudnn.*|nv.*)\\.so")
if(missing)
  message(FATAL_ERROR "bundle: not found on this machine: ${missing}")
endif()
foreach(library ${libraries})
  get_filename_component(name ${library} NAME)
  file(REAL_PATH ${library} file)
  file(MAKE_DIRECTORY ${FOLDER}/lib)
  file(COPY_FILE ${file} ${FOLDER}/lib/${name})
endforeach()
file(GLOB libraries ${FOLDER}/lib/*)
execute_process(COMMAND ${STRIP} ${programs} ${libraries} COMMAND_ERROR_IS_FATAL ANY)

file(COPY ${SOURCE}/models/pretrained ${SOURCE}/models/ganimation/presets.txt DESTINATION ${FOLDER}/share/singanimation)
file(COPY ${SOURCE}/tests/golden DESTINATION ${FOLDER}/share)
file(COPY ${SOURCE}/bench/gpu-check ${SOURCE}/bench/with-cuda ${SOURCE}/bench/report ${SOURCE}/bench/peers
          ${SOURCE}/LICENSE DESTINATION ${FOLDER} PATTERN __pycache__ EXCLUDE)
execute_process(COMMAND git describe --always --dirty --abbrev=40 --exclude=* WORKING_DIRECTORY ${SOURCE}
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
file(WRITE ${FOLDER}/share/commit "${commit}\n")

get_filename_component(parent ${FOLDER} DIRECTORY)
get_filename_component(name ${FOLDER} NAME)
execute_process(COMMAND ${CMAKE_COMMAND} -E tar czf ${name}.tar.gz ${name} WORKING_DIRECTORY ${parent} COMMAND_ERROR_IS_FATAL ANY)
set(bytes 0)
file(GLOB_RECURSE files ${FOLDER}/*)
foreach(file ${files})
  file(SIZE ${file} size)
  math(EXPR bytes "${bytes} + ${size}")
endforeach()
file(SIZE ${FOLDER}.tar.gz packed)
math(EXPR mb "${bytes} / 1000000")
math(EXPR packed "${packed} / 1000000")
if(mb GREATER limit_mb)
  message(FATAL_ERROR "bundle: ${FOLDER} has ${mb} MB, the limit is ${limit_mb}")
endif()
message(STATUS "bundle: ${FOLDER} (${mb} MB) and ${name}.tar.gz (${packed} MB)")
