# Installs the build into a fresh folder, then configures, builds and runs examples/consumer against it.
#   cmake -DSOURCE=<tree> -DBINARY=<build> -DGENERATOR=Ninja -DCOMPILER=g++ -P install_test.cmake
set(folder ${BINARY}/install_test)
file(REMOVE_RECURSE ${folder})
function(check)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: ${result}\n${output}")
  endif()
endfunction()
check(${CMAKE_COMMAND} --install ${BINARY} --prefix ${folder}/prefix)
check(${CMAKE_COMMAND} -S ${SOURCE}/examples/consumer -B ${folder}/build -G ${GENERATOR}
      -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=${folder}/prefix)
check(${CMAKE_COMMAND} --build ${folder}/build)
check(${folder}/build/consumer)
