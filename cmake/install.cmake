# Where things go (docs/install.md): the programs into libexec/mimicfleet, and launchers into bin that look at the C library first;
# LibTorch into lib/mimicfleet, where tools/bundle puts all other libraries, too; the small models, the examples and what deploys
# into share/mimicfleet. Programs find all that from where they lie, so that a tree can be moved.
include(GNUInstallDirs)
set(install_programs "${CMAKE_INSTALL_LIBEXECDIR}/mimicfleet")
set(install_libraries lib/mimicfleet)
set(install_data "${CMAKE_INSTALL_DATADIR}/mimicfleet")
file(RELATIVE_PATH programs_to_libraries "/${install_programs}" "/${install_libraries}")
file(RELATIVE_PATH programs_to_data "/${install_programs}" "/${install_data}")
file(RELATIVE_PATH launchers_to_programs "/${CMAKE_INSTALL_BINDIR}" "/${install_programs}")
set(CMAKE_INSTALL_RPATH "$ORIGIN/${programs_to_libraries}")

function(install_folder from to)
  if(EXISTS "${PROJECT_SOURCE_DIR}/${from}")
    install(DIRECTORY "${from}/" DESTINATION "${to}" USE_SOURCE_PERMISSIONS PATTERN __pycache__ EXCLUDE PATTERN "*.pyc" EXCLUDE)
  endif()
endfunction()

function(install_program name)
  install(TARGETS ${name} RUNTIME DESTINATION "${install_programs}")
  install(PROGRAMS "$<TARGET_FILE:launcher>" DESTINATION "${CMAKE_INSTALL_BINDIR}" RENAME ${name})
endfunction()

function(install_mimicfleet)
  install_program(coordinator)
  install(TARGETS media RUNTIME DESTINATION "${install_programs}")
  if(MIMICFLEET_WITH_TORCH)
    install_program(worker)
    install(FILES "${MIMICFLEET_DEPS}/torch/lib/libtorch_cpu.so" "${MIMICFLEET_DEPS}/torch/lib/libc10.so"
                  "${MIMICFLEET_DEPS}/torch/lib/libgomp.so.1" "${MIMICFLEET_DEPS}/nvidia/cu13/lib/libcudart.so.13"
                  "${MIMICFLEET_DEPS}/nvidia/cu13/lib/libcupti.so.13"
            DESTINATION "${install_libraries}")
    # Of ./dev setup --cuda. A bundle takes of it what is needed.
    file(GLOB cuda_libraries "${MIMICFLEET_DEPS}/torch/lib/*cuda*.so*" "${MIMICFLEET_DEPS}/torch/lib/*nv*.so*"
                             "${MIMICFLEET_DEPS}/nvidia/*/lib/*.so*")
    list(FILTER cuda_libraries EXCLUDE REGEX "/(libcudart|libcupti)\\.so\\.13$")
    if(cuda_libraries)
      install(FILES ${cuda_libraries} DESTINATION "${install_libraries}" COMPONENT cuda)
    endif()
  endif()

  install_folder(models/puppet "${install_data}/models/puppet")
  install_folder(examples "${install_data}/examples")
  install_folder(monitoring/prometheus "${install_data}/monitoring/prometheus")
  install_folder(monitoring/grafana "${install_data}/monitoring/grafana")
  install_folder(deploy/systemd "${install_data}/systemd")
  install_folder(ansible "${install_data}/ansible")
  install_folder(docs "${CMAKE_INSTALL_DOCDIR}/docs")
  file(GLOB papers README.md CHANGELOG.md NOTICE LICENSE)
  install(FILES ${papers} DESTINATION "${CMAKE_INSTALL_DOCDIR}")
endfunction()
