# Server and client for the interop tests, written with Ruby libraries.
#   peer.rb LIBRARY server VERSION        prints "LISTEN PORT"
#   peer.rb LIBRARY client VERSION URL
require 'socket'

NUMBERS = { 'hixie-75' => 75, 'hybi-00' => 76, 'hybi-07' => 7, 'hybi-10' => 8, 'rfc6455' => 13 }.freeze
ORIGIN = 'http://interop.example'.freeze
COOKIE = 'interop=theirs'.freeze
library, role, version, url = ARGV
number = NUMBERS.fetch(version)
$stdout.sync = true

def closed(code, reason)
  puts "CLOSED #{code} #{reason}"
end

# answer echoes a text or obeys it.
def answer(link, text)
  return link.text(text) unless text.start_with?('!')
  command, first, rest = text.split(' ', 3)
  case command
  when '!subprotocol' then link.text("subprotocol #{link.protocol}")
  when '!cookie' then link.text("cookie #{link.cookie}")
  when '!burst' then 3.times { |n| link.text("burst #{n + 1}") }
  when '!ping' then link.ping(first)
  when '!close' then link.close(first.to_i, rest)
  end
end

def listen
  server = TCPServer.new('127.0.0.1', 0)
  puts "LISTEN #{server.addr[1]}"
  loop do
    socket = server.accept
    socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    yield socket
  end
end

def connect(url)
  host, port = url.match(%r{^ws://([^:/]+):(\d+)}).captures
  socket = TCPSocket.new(host, port.to_i)
  socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
  socket
end

# GemLink is a connection of the gem websocket, which reads and builds bytes.
GemLink = Struct.new(:socket, :number, :frames, :protocol, :cookie) do
  def send_frame(type, data = '', code = nil)
    out = (frames == :Server ? WebSocket::Frame::Outgoing::Server : WebSocket::Frame::Outgoing::Client)
    socket.write(out.new(version: number, type: type, data: data, code: code).to_s)
  end

  def text(s) = send_frame(:text, s)
  def ping(s) = send_frame(:ping, s)

  def close(code, reason)
    return socket.close if number == 75
    @closing = true
    number == 76 ? send_frame(:close) : send_frame(:close, reason, code)
  end

  def converse(rest)
    reader = (frames == :Server ? WebSocket::Frame::Incoming::Server : WebSocket::Frame::Incoming::Client)
    incoming = reader.new(version: number)
    incoming << rest
    loop do
      while (frame = incoming.next)
        return over(frame) if frame.type == :close
        take(frame)
        return if socket.closed?
      end
      incoming << socket.readpartial(65_536)
    end
  rescue EOFError
    closed('', '')
    socket.close
  end

  def take(frame)
    data = frame.data.to_s.dup
    case frame.type
    when :text then answer(self, data.force_encoding('UTF-8'))
    when :binary then send_frame(:binary, data)
    when :ping then send_frame(:pong, data)
    when :pong then text("pong #{data}") unless data.empty?
    end
  end

  def over(frame)
    closed(frame.code, frame.data)
    send_frame(:close, frame.data.to_s, frame.code) unless @closing || number == 75
    socket.close
  end
end

# read_head reads a head and as many bytes of what follows as it tells.
def read_head(socket)
  data = String.new
  data << socket.readpartial(4096) until data.include?("\r\n\r\n")
  size = data.index("\r\n\r\n") + 4 + yield(data)
  data << socket.readpartial(4096) while data.bytesize < size
  [data.byteslice(0, size), data.byteslice(size..)]
end

def gem_server
  listen do |socket|
    head, rest = read_head(socket) { |h| h =~ /^Sec-WebSocket-Key1:/i ? 8 : 0 }
    hs = WebSocket::Handshake::Server.new(protocols: ['chat'])
    hs << head
    socket.write(hs.to_s)
    unless hs.valid?
      warn "handshake: #{hs.error}"
      next socket.close
    end
    GemLink.new(socket, hs.version, :Server, 'chat', hs.headers['cookie']).converse(rest)
  rescue EOFError
    socket.close
  end
end

def gem_client(url, number)
  socket = connect(url)
  hs = WebSocket::Handshake::Client.new(
    url: url, version: number, origin: ORIGIN, protocols: number == 76 ? [] : ['chat'], headers: { 'Cookie' => COOKIE }
  )
  socket.write(hs.to_s)
  head, rest = read_head(socket) { number == 76 ? 16 : 0 }
  hs << head
  abort "handshake: #{hs.error}" unless hs.valid?
  GemLink.new(socket, number, :Client, hs.headers["#{'sec-' unless number == 75}websocket-protocol"], nil).converse(rest)
end

# EmLink is a connection of em-websocket.
EmLink = Struct.new(:ws, :protocol, :cookie) do
  def text(s) = ws.send_text(s)
  def ping(s) = ws.ping(s)

  def close(code, reason)
    ws.supports_close_codes? ? ws.close(code, reason.b) : ws.close
  end
end

def em_server
  EM.run do
    signature = EM::WebSocket.start(host: '127.0.0.1', port: 0) do |ws|
      link = nil
      ws.onopen do |hs|
        asked = hs.headers_downcased
        link = EmLink.new(ws, asked['sec-websocket-protocol'] || asked['websocket-protocol'], asked['cookie'])
      end
      ws.onmessage { |text| answer(link, text) }
      ws.onbinary { |data| ws.send_binary(data) }
      ws.onpong { |data| link.text("pong #{data}") unless data.empty? }
      ws.onclose { |event| closed(event && event[:code], event && event[:reason]) }
      ws.onerror { |e| warn "error: #{e}" }
    end
    puts "LISTEN #{Socket.unpack_sockaddr_in(EM.get_sockname(signature))[0]}"
  end
end

# DriverLink is a connection of websocket-driver, which is fed bytes.
DriverLink = Struct.new(:socket, :url, :driver) do
  def write(data) = socket.write(data)
  def text(s) = driver.text(s)
  def protocol = driver.protocol
  def cookie = driver.respond_to?(:env) ? driver.env['HTTP_COOKIE'] : nil
  def ping(s) = driver.ping(s) { text("pong #{s}") }
  def close(code, reason) = driver.close(reason, code)

  def converse
    over = false
    driver.on(:message) do |event|
      data = event.data
      data.is_a?(String) ? answer(self, data) : driver.binary(data)
    end
    driver.on(:close) { |event| closed(event.code, event.reason) || over = true }
    driver.on(:error) { |event| warn "error: #{event}" }
    driver.parse(socket.readpartial(65_536)) until over
    # What is still to come, such as the answer to a closing frame, would be met
    # by a reset if the socket were just closed.
    socket.close_write
    socket.read
    socket.close
  rescue EOFError
    closed('', '')
    socket.close
  end
end

def driver_server
  listen do |socket|
    link = DriverLink.new(socket, nil, nil)
    link.driver = WebSocket::Driver.server(link, protocols: ['chat'])
    link.driver.on(:connect) { link.driver.start }
    link.converse
  end
end

def driver_client(url)
  link = DriverLink.new(connect(url), url, nil)
  link.driver = WebSocket::Driver.client(link, protocols: ['chat'])
  link.driver.set_header('Origin', ORIGIN)
  link.driver.set_header('Cookie', COOKIE)
  link.driver.start
  link.converse
end

case library
when 'websocket'
  require 'websocket'
  role == 'server' ? gem_server : gem_client(url, number)
when 'em-websocket'
  require 'em-websocket'
  em_server
when 'websocket-driver'
  require 'websocket/driver'
  role == 'server' ? driver_server : driver_client(url)
end
