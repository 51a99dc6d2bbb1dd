# heddle_layer(NAME [DEPENDS layer...] [LINKS library...] [SOURCES file...])
#
# Adds sources to the static library heddle_NAME, which is made on the first call that brings one. All layers but `llvm`
# end up in libheddle.so; a unit test of a layer links only that layer and those to its left. May be called again
# from a subfolder to add to a layer.
function(heddle_layer name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;LINKS;SOURCES")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "heddle_layer(${name}): unexpected ${arg_UNPARSED_ARGUMENTS}")
    endif()
    set(target heddle_${name})
    list(TRANSFORM arg_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    if(NOT TARGET ${target})
        if(NOT arg_SOURCES)
            return()
        endif()
        add_library(${target} STATIC ${arg_SOURCES})
        target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
        target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:heddle_warnings>)
        set_target_properties(${target} PROPERTIES OUTPUT_NAME heddle_${name}_layer)
        heddle_precompile(${target})
        if(NOT name STREQUAL "llvm")
            set_property(GLOBAL APPEND PROPERTY HEDDLE_LAYERS ${target})
        endif()
    else()
        target_sources(${target} PRIVATE ${arg_SOURCES})
    endif()
    foreach(layer IN LISTS arg_DEPENDS)
        if(TARGET heddle_${layer})
            target_link_libraries(${target} PUBLIC heddle_${layer})
        endif()
    endforeach()
    target_link_libraries(${target} PUBLIC ${arg_LINKS})
endfunction()

# The standard headers that nearly every source includes anyway.
function(heddle_precompile target)
    if(HEDDLE_PCH)
        target_precompile_headers(${target} PRIVATE
            <algorithm> <array> <atomic> <cstdint> <functional> <map> <memory> <mutex> <optional> <span> <string>
            <string_view> <unordered_map> <utility> <vector> ${ARGN})
    endif()
endfunction()

# libheddle.so, out of all layers, and the plug-in beside it that keeps LLVM out of programs that never use the CPU.
function(heddle_library)
    get_property(layers GLOBAL PROPERTY HEDDLE_LAYERS)
    if(NOT layers)
        return()
    endif()
    add_library(heddle SHARED)
    add_library(heddle::heddle ALIAS heddle)
    foreach(layer IN LISTS layers)
        target_sources(heddle PRIVATE $<TARGET_OBJECTS:${layer}>)
        # What a layer needs from outside, the library needs; the layers themselves are inside already.
        get_target_property(needs ${layer} INTERFACE_LINK_LIBRARIES)
        foreach(need IN LISTS needs)
            if(NOT need IN_LIST layers AND NOT need MATCHES "heddle_warnings|-NOTFOUND")
                target_link_libraries(heddle PRIVATE $<BUILD_INTERFACE:${need}>)
            endif()
        endforeach()
    endforeach()
    target_link_libraries(heddle PRIVATE ${CMAKE_DL_LIBS})
    # Calls within the library are bound when it is linked: a first call would look up a thousand functions.
    target_link_options(heddle PRIVATE -Wl,-z,defs -Wl,-Bsymbolic-functions)
    target_include_directories(heddle INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_compile_features(heddle INTERFACE cxx_std_20)
    set_target_properties(heddle PROPERTIES LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR})

    if(TARGET heddle_llvm)
        add_library(heddle_llvm_plugin MODULE $<TARGET_OBJECTS:heddle_llvm>)
        target_link_libraries(heddle_llvm_plugin PRIVATE heddle LLVM fmt::fmt)
        target_link_options(heddle_llvm_plugin PRIVATE -Wl,-z,defs)
        set_target_properties(heddle_llvm_plugin PROPERTIES LINKER_LANGUAGE CXX PREFIX "" OUTPUT_NAME heddle_llvm
            LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/heddle INSTALL_RPATH "$ORIGIN/..")
    endif()
endfunction()

# heddle_program(NAME [LINKS library...] SOURCES file...): an executable in bin/ that links libheddle.so, and may include
# the headers of all layers. Skipped while there is no library.
function(heddle_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINKS;SOURCES")
    if(NOT TARGET heddle OR NOT arg_SOURCES)
        return()
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${name} PRIVATE heddle heddle_warnings ${arg_LINKS})
    if(TARGET heddle_llvm_plugin)
        add_dependencies(${name} heddle_llvm_plugin)
    endif()
    heddle_precompile(${name})
endfunction()
