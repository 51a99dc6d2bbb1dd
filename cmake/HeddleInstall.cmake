# cmake --install puts the headers, libheddle.so, its plug-in, the tool and the package files of find_package(heddle).

include(CMakePackageConfigHelpers)

if(TARGET heddle)
    install(DIRECTORY include/heddle DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
    install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
    install(TARGETS heddle EXPORT heddleTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    if(TARGET heddle_llvm_plugin)
        install(TARGETS heddle_llvm_plugin LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/heddle)
    endif()
    if(TARGET heddle_tool)
        install(TARGETS heddle_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    endif()

    set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/heddle)
    install(EXPORT heddleTargets NAMESPACE heddle:: DESTINATION ${package_dir})
    configure_package_config_file(cmake/heddleConfig.cmake.in ${PROJECT_BINARY_DIR}/heddleConfig.cmake
        INSTALL_DESTINATION ${package_dir})
    write_basic_package_version_file(${PROJECT_BINARY_DIR}/heddleConfigVersion.cmake
        COMPATIBILITY SameMinorVersion)
    install(FILES ${PROJECT_BINARY_DIR}/heddleConfig.cmake ${PROJECT_BINARY_DIR}/heddleConfigVersion.cmake
        DESTINATION ${package_dir})
endif()
