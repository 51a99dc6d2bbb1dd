# Tests that a sanitizer stage of scripts/test.sh builds; what it runs has the sanitizer's name as a label.
add_custom_target(heddle_sanitized_tests)

# heddle_test(NAME [LAYERS layer...] [LINKS library...] [SANITIZE address|thread...] [TIMEOUT seconds] SOURCES file...)
#
# The GoogleTest executable test_NAME; each of its tests is a ctest test NAME.Suite.test. With LAYERS it links those static layers
# alone, so that it builds while layers further right do not; without, it links libheddle.so, as a test must that
# uses the LLVM plug-in (the plug-in brings libheddle.so along, whose types would exist twice otherwise).
function(heddle_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "LAYERS;LINKS;SOURCES;SANITIZE")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "heddle_test(${name}): unexpected ${arg_UNPARSED_ARGUMENTS}")
    endif()
    set(target test_${name})
    set(tested heddle)
    if(arg_LAYERS)
        list(TRANSFORM arg_LAYERS PREPEND heddle_ OUTPUT_VARIABLE tested)
    endif()
    foreach(library IN LISTS tested)
        if(NOT TARGET ${library})
            message(STATUS "test_${name} is not built: ${library} has no sources yet")
            return()
        endif()
    endforeach()
    add_executable(${target} ${arg_SOURCES})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(${target} PRIVATE ${tested} heddle_warnings GTest::gtest GTest::gtest_main ${arg_LINKS})
    target_compile_definitions(${target} PRIVATE HEDDLE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    if(TARGET heddle_llvm_plugin AND NOT arg_LAYERS)
        add_dependencies(${target} heddle_llvm_plugin)
    endif()
    heddle_precompile(${target} <gtest/gtest.h>)
    if(HEDDLE_SANITIZE AND HEDDLE_SANITIZE IN_LIST arg_SANITIZE)
        add_dependencies(heddle_sanitized_tests ${target})
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 300)
    endif()
    # One label for all, since gtest_discover_tests passes on no list: frontend:address:thread.
    list(JOIN arg_SANITIZE ":" sanitizers)
    set(environment)
    if(HEDDLE_SANITIZE STREQUAL "thread")
        set(environment ENVIRONMENT TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp)
    elseif(HEDDLE_SANITIZE STREQUAL "address")
        set(environment ENVIRONMENT LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/lsan.supp)
    endif()
    gtest_discover_tests(${target} TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60
        PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS ${name}:${sanitizers} ${environment})
endfunction()

# The .hir files below tests/hir, as the one ctest test `lit`.
function(heddle_lit_test)
    if(NOT TARGET heddle_tool)
        message(STATUS "lit tests are not run: there is no tool heddle yet")
        return()
    endif()
    find_program(HEDDLE_LIT NAMES lit lit.py NO_DEFAULT_PATH REQUIRED
        HINTS ${LLVM_TOOLS_BINARY_DIR} ${LLVM_TOOLS_BINARY_DIR}/../build/utils/lit)
    find_program(HEDDLE_FILECHECK FileCheck HINTS ${LLVM_TOOLS_BINARY_DIR} REQUIRED NO_DEFAULT_PATH)
    configure_file(${PROJECT_SOURCE_DIR}/tests/lit.site.cfg.py.in ${PROJECT_BINARY_DIR}/tests/hir/lit.site.cfg.py @ONLY)
    add_test(NAME lit COMMAND ${HEDDLE_LIT} -v --time-tests --xunit-xml-output ${PROJECT_BINARY_DIR}/lit.xml
        ${PROJECT_BINARY_DIR}/tests/hir)
    set_tests_properties(lit PROPERTIES PROCESSORS 2 TIMEOUT 900)
endfunction()

# Include direction, file sizes, headers that compile alone, run files, quoted programs, formatting. An op without a run file does not build.
function(heddle_structure_tests)
    find_program(HEDDLE_PYTHON python3 REQUIRED)
    file(GLOB run_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/hir/run/*.hir)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/ir/ops.def ${run_files})
    execute_process(COMMAND ${HEDDLE_PYTHON} ${PROJECT_SOURCE_DIR}/scripts/check.py run_files
        OUTPUT_VARIABLE findings RESULT_VARIABLE failed)
    if(failed)
        message(FATAL_ERROR "${findings}")
    endif()
    set(checks layers sizes headers run_files quotes suppressions environment format)
    find_program(HEDDLE_CLANG_FORMAT clang-format-22)
    if(NOT HEDDLE_CLANG_FORMAT AND LLVM_VERSION_MAJOR LESS 22)
        message(STATUS "formatting is not checked: there is no clang-format-22 beside LLVM ${LLVM_VERSION}")
        list(REMOVE_ITEM checks format)
    endif()
    foreach(check IN LISTS checks)
        add_test(NAME structure.${check} COMMAND ${HEDDLE_PYTHON} ${PROJECT_SOURCE_DIR}/scripts/check.py ${check})
    endforeach()
endfunction()

# Random programs on every device, beside the interpreter.
function(heddle_fuzz_test)
    if(NOT TARGET heddle_tool)
        return()
    endif()
    find_program(HEDDLE_PYTHON python3 REQUIRED)
    add_test(NAME fuzz.programs COMMAND ${HEDDLE_PYTHON} ${PROJECT_SOURCE_DIR}/tests/fuzz/programs.py $<TARGET_FILE:heddle_tool>)
    set_tests_properties(fuzz.programs PROPERTIES TIMEOUT 300)
endfunction()

# bench/peers: timing by turns, tables and plots; without any peer.
function(heddle_peers_test)
    find_program(HEDDLE_PYTHON python3 REQUIRED)
    add_test(NAME bench_peers COMMAND ${HEDDLE_PYTHON} -B -m unittest discover --start-directory ${PROJECT_SOURCE_DIR}/tests/peers)
    set_tests_properties(bench_peers PROPERTIES TIMEOUT 300)
endfunction()

# A program outside the tree, built against an installation of this build.
function(heddle_consumer_test)
    if(NOT TARGET heddle OR NOT EXISTS ${PROJECT_SOURCE_DIR}/include/heddle/heddle.h)
        message(STATUS "the consumer is not tested: there is no <heddle/heddle.h> yet")
        return()
    endif()
    add_test(NAME consumer COMMAND ${CMAKE_COMMAND}
        -D BUILD=${PROJECT_BINARY_DIR} -D SOURCE=${PROJECT_SOURCE_DIR}/tests/consumer -D COMPILER=${CMAKE_CXX_COMPILER}
        -P ${PROJECT_SOURCE_DIR}/tests/consumer/run.cmake)
    set_tests_properties(consumer PROPERTIES TIMEOUT 300)
endfunction()
