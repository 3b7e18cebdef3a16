if(SCRY_SANITIZE)
  add_compile_options(-fsanitize=${SCRY_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${SCRY_SANITIZE})
endif()
