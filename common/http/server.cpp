#include "common/http/server.h"

#include <exception>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <microhttpd.h>

#include "common/http/listen_address.h"
#include "common/log.h"

namespace mimicfleet::http {

struct Server::Impl {
  std::map<std::string, Handler> routes;
  MHD_Daemon* daemon = nullptr;

  [[nodiscard]] Response answer(const Request& request) const;
  static MHD_Result handle(void* self, MHD_Connection* connection, const char* path,
                           const char* method, const char* version, const char* body,
                           std::size_t* body_size, void** progress);
};

namespace {

constexpr char kAllowed[] = "GET, HEAD";

bool is_answered(std::string_view method) {
  return method == MHD_HTTP_METHOD_GET || method == MHD_HTTP_METHOD_HEAD;
}

struct DestroyResponse {
  void operator()(MHD_Response* response) const { MHD_destroy_response(response); }
};

MHD_Result keep_argument(void* query, MHD_ValueKind, const char* key, std::size_t key_size,
                         const char* value, std::size_t value_size) {
  static_cast<std::map<std::string, std::string>*>(query)->insert_or_assign(
      std::string(key, key_size), value == nullptr ? "" : std::string(value, value_size));
  return MHD_YES;
}

MHD_Result send(MHD_Connection* connection, const Response& answer) {
  // The library copies: it may go on sending when this is over.
  const std::unique_ptr<MHD_Response, DestroyResponse> response(MHD_create_response_from_buffer(
      answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY));
  if (!response) return MHD_NO;
  MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONTENT_TYPE,
                          answer.content_type.c_str());
  MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  MHD_add_response_header(response.get(), "X-Content-Type-Options", "nosniff");
  if (answer.status == MHD_HTTP_METHOD_NOT_ALLOWED) {
    MHD_add_response_header(response.get(), MHD_HTTP_HEADER_ALLOW, kAllowed);
  }
  return MHD_queue_response(connection, static_cast<unsigned>(answer.status), response.get());
}

}  // namespace

Response Server::Impl::answer(const Request& request) const {
  if (!is_answered(request.method)) {
    return {.status = MHD_HTTP_METHOD_NOT_ALLOWED,
            .body = fmt::format("only {} are answered\n", kAllowed)};
  }
  const auto route = routes.find(request.path);
  if (route == routes.end()) {
    std::string paths;
    for (const auto& [path, handler] : routes) paths += path + "\n";
    return {.status = MHD_HTTP_NOT_FOUND, .body = "there is nothing here; there are\n" + paths};
  }
  try {
    return route->second(request);
  } catch (const std::exception& failure) {  // none may get into the library, which is C
    log::error("{}: no answer could be made: {}", request.path, log::printable(failure.what()));
    return {.status = MHD_HTTP_INTERNAL_SERVER_ERROR, .body = "no answer could be made\n"};
  }
}

// The library calls this when a request's headers are there, again for what its body brings, and
// once more at its end.
MHD_Result Server::Impl::handle(void* self, MHD_Connection* connection, const char* path,
                                const char* method, const char*, const char*,
                                std::size_t* body_size, void** progress) {
  const bool is_begin = std::exchange(*progress, self) == nullptr;
  // An answer at the beginning ends the connection: no body that nobody wants is waited for.
  if (is_begin && is_answered(method)) return MHD_YES;
  if (*body_size > 0) {
    *body_size = 0;  // taken, and thrown away
    return MHD_YES;
  }
  Request request{method, path, {}};
  MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, &keep_argument, &request.query);
  return send(connection, static_cast<const Impl*>(self)->answer(request));
}

Server::Server() : impl_(std::make_unique<Impl>()) {}

Server::~Server() {
  if (impl_->daemon != nullptr) MHD_stop_daemon(impl_->daemon);
}

Result<std::unique_ptr<Server>> Server::start(const std::string& address,
                                              std::map<std::string, Handler> routes,
                                              const Limits& limits) {
  ASSIGN_OR_RETURN(const ListenAddress where, parse_listen_address(address));
  ASSIGN_OR_RETURN(Listener listener, listen_on(where));
  std::unique_ptr<Server> server(new Server());
  server->impl_->routes = std::move(routes);
  server->address_ = listener.address.text();
  // MHD_USE_ITC: a wake-up of the listening thread, so that it ends at once.
  server->impl_->daemon = MHD_start_daemon(
      MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC,
      0, nullptr, nullptr, &Impl::handle, server->impl_.get(),                       //
      MHD_OPTION_LISTEN_SOCKET, listener.socket.release(),                           //
      MHD_OPTION_CONNECTION_LIMIT, limits.connections,                               //
      MHD_OPTION_PER_IP_CONNECTION_LIMIT, limits.of_one_client,                      //
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(limits.silence.count()),  //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits.request_bytes,                      //
      MHD_OPTION_END);
  if (server->impl_->daemon == nullptr) {
    return Status(
        StatusCode::kResourceExhausted,
        fmt::format("{}: no thread can be started to answer there: see `ulimit -u`", address));
  }
  return server;
}

}  // namespace mimicfleet::http
