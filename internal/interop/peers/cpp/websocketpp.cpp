// Server and client for the interop tests, written with WebSocket++.
//   websocketpp server VERSION          prints "LISTEN PORT"
//   websocketpp client VERSION URL
//   websocketpp deflate server|client VERSION [URL]   with permessage-deflate
#include <websocketpp/client.hpp>
#include <websocketpp/config/asio_no_tls.hpp>
#include <websocketpp/config/asio_no_tls_client.hpp>
#include <websocketpp/extensions/permessage_deflate/enabled.hpp>
#include <websocketpp/server.hpp>

#include <iostream>
#include <sstream>
#include <string>

using websocketpp::connection_hdl;
namespace opcode = websocketpp::frame::opcode;

const size_t limit = 16 << 20;

// attach gives an endpoint the handlers that echo messages and obey commands.
template <typename Endpoint>
void attach(Endpoint &e) {
    e.clear_access_channels(websocketpp::log::alevel::all);
    e.clear_error_channels(websocketpp::log::elevel::all);
    e.set_error_channels(websocketpp::log::elevel::rerror | websocketpp::log::elevel::fatal);
    e.set_max_message_size(limit);
    e.init_asio();
    e.set_pong_handler([&e](connection_hdl h, std::string payload) {
        if (!payload.empty()) e.send(h, "pong " + payload, opcode::text);
    });
    e.set_close_handler([&e](connection_hdl h) {
        auto c = e.get_con_from_hdl(h);
        std::cout << "CLOSED";
        if (c->get_remote_close_code() > 1006 || c->get_remote_close_code() < 1004)
            std::cout << " " << c->get_remote_close_code() << " " << c->get_remote_close_reason();
        std::cout << std::endl;
    });
    e.set_fail_handler([&e](connection_hdl h) { std::cerr << e.get_con_from_hdl(h)->get_ec().message() << std::endl; });
    e.set_message_handler([&e](connection_hdl h, typename Endpoint::message_ptr m) {
        const std::string &text = m->get_payload();
        if (m->get_opcode() != opcode::text || text.empty() || text[0] != '!') {
            e.send(h, text, m->get_opcode());
            return;
        }
        auto c = e.get_con_from_hdl(h);
        std::istringstream words(text);
        std::string command;
        words >> command;
        if (command == "!subprotocol") {
            // A client is not told by get_subprotocol what the server chose.
            std::string chosen = c->get_subprotocol();
            if (chosen.empty()) chosen = c->get_response_header("Sec-WebSocket-Protocol");
            e.send(h, "subprotocol " + chosen, opcode::text);
        } else if (command == "!cookie") {
            e.send(h, "cookie " + c->get_request_header("Cookie"), opcode::text);
        } else if (command == "!burst") {
            for (const char *n : {"burst 1", "burst 2", "burst 3"}) e.send(h, n, opcode::text);
        } else if (command == "!ping") {
            std::string payload;
            words >> payload;
            e.ping(h, payload);
        } else if (command == "!close") {
            int code;
            std::string reason;
            words >> code;
            std::getline(words >> std::ws, reason);
            e.close(h, code, reason);
        }
    });
}

// Deflating is a configuration with permessage-deflate.
template <typename Base>
struct Deflating : Base {
    struct permessage_deflate_config {};
    typedef websocketpp::extensions::permessage_deflate::enabled<permessage_deflate_config> permessage_deflate_type;
};

template <typename Config>
void serve() {
    typedef websocketpp::server<Config> Server;
    Server s;
    attach(s);
    s.set_validate_handler([&s](connection_hdl h) {
        auto c = s.get_con_from_hdl(h);
        for (const std::string &name : c->get_requested_subprotocols())
            if (name == "chat") c->select_subprotocol(name);
        return true;
    });
    s.listen(websocketpp::lib::asio::ip::tcp::endpoint(websocketpp::lib::asio::ip::address_v4::loopback(), 0));
    s.start_accept();
    websocketpp::lib::asio::error_code ec;
    std::cout << "LISTEN " << s.get_local_endpoint(ec).port() << std::endl;
    s.run();
}

template <typename Config>
void connect(const std::string &url) {
    websocketpp::client<Config> c;
    attach(c);
    websocketpp::lib::error_code ec;
    auto connection = c.get_connection(url, ec);
    connection->add_subprotocol("chat");
    connection->append_header("Cookie", "interop=theirs");
    connection->append_header("Origin", "http://interop.example");
    c.connect(connection);
    c.run();
}

int main(int, char **argv) {
    try {
        namespace config = websocketpp::config;
        bool deflate = argv[1] == std::string("deflate");
        if (deflate) argv++;
        bool server = argv[1] == std::string("server");
        if (server && deflate) serve<Deflating<config::asio>>();
        else if (server) serve<config::asio>();
        else if (deflate) connect<Deflating<config::asio_client>>(argv[3]);
        else connect<config::asio_client>(argv[3]);
    } catch (const std::exception &e) {
        std::cerr << e.what() << std::endl;
        return 1;
    }
}
