# Protobuf and gRPC from Debian. Its gRPC ships a CMake package; protobuf is found by CMake's module.

set(Protobuf_USE_STATIC_LIBS OFF)
find_package(Protobuf 3.21 REQUIRED MODULE)
find_package(gRPC CONFIG REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
