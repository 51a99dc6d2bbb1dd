# Installs the build into a fresh prefix, then configures, builds and runs the program here against it, as its user would, and
# runs the installed tool: nothing of the source or build tree is on its paths.
set(place ${BUILD}/consumer)
file(REMOVE_RECURSE ${place})

function(run)
    execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

unset(ENV{HEDDLE_PLUGIN_DIR})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${place}/prefix)
run(${CMAKE_COMMAND} -G Ninja -S ${SOURCE} -B ${place}/build -D CMAKE_PREFIX_PATH=${place}/prefix
    -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build ${place}/build)
run(${place}/build/consumer)
run(${place}/prefix/bin/heddle devices)
