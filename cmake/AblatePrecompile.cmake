# Headers that dozens of files include, and that take seconds, are read once for each of these sets. Files include what
# they use all the same: clang-tidy reads each without them.

# ablate_precompile(NAME HEADERS headers... LIBRARIES targets...): NAME is for `ablate_use_precompiled`.
function(ablate_precompile name)
  cmake_parse_arguments(ARG "" "" "HEADERS;LIBRARIES" ${ARGN})
  file(CONFIGURE OUTPUT "${name}.cc" CONTENT "")
  add_library(${name} OBJECT "${CMAKE_CURRENT_BINARY_DIR}/${name}.cc")
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES})
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
endfunction()

function(ablate_use_precompiled target name)
  target_precompile_headers(${target} REUSE_FROM ${name})
endfunction()
