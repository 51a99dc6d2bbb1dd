# Compiler, linker and output settings that hold for every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

# The build tree has the layout of an installation, so that libheddle.so finds its plug-in by the same rule in both:
# bin/heddle, lib/libheddle.so, lib/heddle/heddle_llvm.so.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

find_program(HEDDLE_CCACHE ccache)
if(HEDDLE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # The sloppiness is what ccache's manual asks for where precompiled headers are used.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
        ${HEDDLE_CCACHE})
endif()

# g++ 12 knows -fuse-ld=mold and -fuse-ld=lld.
find_program(HEDDLE_MOLD mold)
find_program(HEDDLE_LLD ld.lld)
if(HEDDLE_MOLD)
    add_link_options(-fuse-ld=mold)
elseif(HEDDLE_LLD)
    add_link_options(-fuse-ld=lld)
endif()

if(HEDDLE_SANITIZE STREQUAL "address")
    set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
elseif(HEDDLE_SANITIZE STREQUAL "thread")
    set(sanitize -fsanitize=thread -fno-omit-frame-pointer)
elseif(HEDDLE_SANITIZE)
    message(FATAL_ERROR "HEDDLE_SANITIZE is '${HEDDLE_SANITIZE}'; it can be address, thread or empty")
endif()
if(HEDDLE_SANITIZE)
    add_compile_options(${sanitize})
    add_link_options(${sanitize})
endif()

# Warnings for our own code. What would be a bug, or a case forgotten in a switch over an enum, does not build.
add_library(heddle_warnings INTERFACE)
target_compile_options(heddle_warnings INTERFACE
    -Wall -Wextra -Wnon-virtual-dtor -Woverloaded-virtual -Wsuggest-override
    -Werror=switch -Werror=return-type -Werror=uninitialized -Wno-error=maybe-uninitialized -Werror=non-virtual-dtor -Werror=suggest-override
    -Werror=unused-result -Werror=format -Werror=delete-non-virtual-dtor -Werror=vla -Werror=parentheses
    -Werror=return-local-addr -Werror=reorder -Werror=sign-compare)
# g++ 12 warns about designated initialisers that leave out members which have defaults; that is how options are given.
target_compile_options(heddle_warnings INTERFACE -Wno-missing-field-initializers)
# g++ 12 sees overlapping copies inside std::string where there are none (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(heddle_warnings INTERFACE -Wno-restrict)
endif()

# No contraction of a * b + c behind the source's back: results are to be the same with every compiler and -march.
add_compile_options(-ffp-contract=off)
