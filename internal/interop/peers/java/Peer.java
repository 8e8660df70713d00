import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.DefaultHttpHeaders;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.websocketx.BinaryWebSocketFrame;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.ContinuationWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PingWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PongWebSocketFrame;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketClientHandshaker;
import io.netty.handler.codec.http.websocketx.WebSocketClientHandshakerFactory;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketFrameAggregator;
import io.netty.handler.codec.http.websocketx.WebSocketServerHandshaker;
import io.netty.handler.codec.http.websocketx.WebSocketServerHandshakerFactory;
import io.netty.handler.codec.http.websocketx.WebSocketVersion;
import io.netty.handler.codec.http.websocketx.extensions.WebSocketClientExtensionHandler;
import io.netty.handler.codec.http.websocketx.extensions.WebSocketServerExtensionHandler;
import io.netty.handler.codec.http.websocketx.extensions.compression.PerMessageDeflateClientExtensionHandshaker;
import io.netty.handler.codec.http.websocketx.extensions.compression.PerMessageDeflateServerExtensionHandshaker;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Server and client for the interop tests, written with Netty.
 *
 * <pre>
 *   Peer server VERSION          prints "LISTEN PORT"
 *   Peer client VERSION URL
 *   Peer deflate true|false server|client VERSION [URL]
 * </pre>
 *
 * The last is with permessage-deflate, without windows, which need JZlib; true is
 * with each message by itself, which a client only allows.
 */
public class Peer {
    static final int LIMIT = 16 << 20;
    static final EventLoopGroup group = new NioEventLoopGroup(1);
    static String version;
    static boolean deflate;
    static boolean alone;

    public static void main(String[] args) throws Exception {
        if (args[0].equals("deflate")) {
            deflate = true;
            alone = Boolean.parseBoolean(args[1]);
            args = Arrays.copyOfRange(args, 2, args.length);
        }
        version = args[1];
        if (args[0].equals("server")) {
            serve();
        } else {
            connect(new URI(args[2]));
        }
    }

    static void serve() throws Exception {
        Channel listener = new ServerBootstrap().group(group).channel(NioServerSocketChannel.class)
            .childHandler(new ChannelInitializer<Channel>() {
                @Override
                protected void initChannel(Channel c) {
                    c.pipeline().addLast(new HttpServerCodec(), new HttpObjectAggregator(LIMIT));
                    if (deflate) {
                        c.pipeline().addLast(new WebSocketServerExtensionHandler(
                            new PerMessageDeflateServerExtensionHandshaker(6, false, 15, alone, alone)));
                    }
                    c.pipeline().addLast(new ServerHandshake());
                }
            }).bind("127.0.0.1", 0).sync().channel();
        System.out.println("LISTEN " + ((InetSocketAddress) listener.localAddress()).getPort());
    }

    static void connect(URI uri) throws Exception {
        WebSocketVersion v;
        switch (version) {
            case "hybi-00": v = WebSocketVersion.V00; break;
            case "hybi-07": v = WebSocketVersion.V07; break;
            case "hybi-10": v = WebSocketVersion.V08; break;
            default: v = WebSocketVersion.V13;
        }
        HttpHeaders headers = new DefaultHttpHeaders().add("Cookie", "interop=theirs");
        WebSocketClientHandshaker h = WebSocketClientHandshakerFactory.newHandshaker(uri, v, "chat", deflate, headers, LIMIT);
        new Bootstrap().group(group).channel(NioSocketChannel.class).handler(new ChannelInitializer<Channel>() {
            @Override
            protected void initChannel(Channel c) {
                c.pipeline().addLast(new HttpClientCodec(), new HttpObjectAggregator(LIMIT));
                if (deflate) {
                    c.pipeline().addLast(new WebSocketClientExtensionHandler(
                        new PerMessageDeflateClientExtensionHandshaker(6, false, 15, alone, false)));
                }
                c.pipeline().addLast(new ClientHandshake(h));
            }
        }).connect(uri.getHost(), uri.getPort()).sync();
    }

    static class ServerHandshake extends SimpleChannelInboundHandler<FullHttpRequest> {
        @Override
        protected void channelRead0(ChannelHandlerContext ctx, FullHttpRequest r) {
            String url = "ws://" + r.headers().get("Host") + r.uri();
            WebSocketServerHandshaker h = new WebSocketServerHandshakerFactory(url, "chat", deflate, LIMIT).newHandshaker(r);
            if (h == null) {
                WebSocketServerHandshakerFactory.sendUnsupportedVersionResponse(ctx.channel());
                return;
            }
            String cookie = r.headers().get("Cookie");
            // The codec is in place when handshake returns, before it has read on.
            h.handshake(ctx.channel(), r);
            ctx.pipeline().addLast(new WebSocketFrameAggregator(LIMIT), new Talk(h.selectedSubprotocol(), cookie));
            ctx.pipeline().remove(this);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext ctx, Throwable e) {
            e.printStackTrace();
            ctx.close();
        }
    }

    static class ClientHandshake extends SimpleChannelInboundHandler<FullHttpResponse> {
        private final WebSocketClientHandshaker h;

        ClientHandshake(WebSocketClientHandshaker h) { this.h = h; }

        @Override
        public void channelActive(ChannelHandlerContext ctx) { h.handshake(ctx.channel()); }

        @Override
        protected void channelRead0(ChannelHandlerContext ctx, FullHttpResponse r) {
            // Before the rest of what was read reaches the codec of frames.
            ctx.pipeline().addLast(new WebSocketFrameAggregator(LIMIT), new Talk(r.headers().get("Sec-WebSocket-Protocol"), null));
            h.finishHandshake(ctx.channel(), r);
            ctx.pipeline().remove(this);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext ctx, Throwable e) {
            e.printStackTrace();
            ctx.close();
        }
    }

    /** Echoes messages and obeys commands. */
    static class Talk extends SimpleChannelInboundHandler<WebSocketFrame> {
        private final String subprotocol;
        private final String cookie;
        private boolean closing;

        Talk(String subprotocol, String cookie) {
            this.subprotocol = subprotocol;
            this.cookie = cookie;
        }

        @Override
        protected void channelRead0(ChannelHandlerContext ctx, WebSocketFrame f) {
            if (f instanceof PingWebSocketFrame) {
                ctx.writeAndFlush(new PongWebSocketFrame(f.content().retain()));
            } else if (f instanceof PongWebSocketFrame) {
                text(ctx, "pong " + f.content().toString(StandardCharsets.UTF_8));
            } else if (f instanceof CloseWebSocketFrame) {
                close(ctx, (CloseWebSocketFrame) f);
            } else if (f instanceof TextWebSocketFrame && f.content().isReadable() && f.content().getByte(f.content().readerIndex()) == '!') {
                obey(ctx, ((TextWebSocketFrame) f).text().split(" ", 3));
            } else {
                ctx.writeAndFlush(f.retain());
            }
        }

        @Override
        public void channelInactive(ChannelHandlerContext ctx) {
            if (version.equals("hixie-75")) { // which has no closing frame
                System.out.println("CLOSED");
            }
        }

        private void close(ChannelHandlerContext ctx, CloseWebSocketFrame f) {
            if (version.equals("hybi-00")) {
                System.out.println("CLOSED");
            } else {
                System.out.println("CLOSED " + f.statusCode() + " " + f.reasonText());
            }
            if (closing) {
                ctx.close();
            } else if (version.equals("hybi-00")) {
                ctx.writeAndFlush(f.retain()); // and leaves TCP open, as Netty's own handler does
            } else {
                ctx.writeAndFlush(f.retain()).addListener(done -> ctx.close());
            }
        }

        private void obey(ChannelHandlerContext ctx, String[] words) {
            switch (words[0]) {
                case "!subprotocol":
                    text(ctx, "subprotocol " + subprotocol);
                    break;
                case "!cookie":
                    text(ctx, "cookie " + cookie);
                    break;
                case "!burst":
                    for (int n = 1; n <= 3; n++) {
                        ctx.write(new TextWebSocketFrame("burst " + n));
                    }
                    ctx.flush();
                    break;
                case "!fragments":
                    ctx.write(new TextWebSocketFrame(false, 0, "one, "));
                    ctx.write(new ContinuationWebSocketFrame(false, 0, "two, "));
                    ctx.writeAndFlush(new ContinuationWebSocketFrame(true, 0, "three ✓"));
                    break;
                case "!ping":
                    ByteBuf payload = Unpooled.copiedBuffer(words[1], StandardCharsets.UTF_8);
                    ctx.writeAndFlush(new PingWebSocketFrame(payload));
                    break;
                case "!close":
                    if (version.equals("hixie-75")) {
                        ctx.close();
                        break;
                    }
                    closing = true;
                    ctx.writeAndFlush(new CloseWebSocketFrame(Integer.parseInt(words[1]), words[2]));
                    break;
                default:
                    text(ctx, "unknown command");
            }
        }

        private void text(ChannelHandlerContext ctx, String s) { ctx.writeAndFlush(new TextWebSocketFrame(s)); }

        @Override
        public void exceptionCaught(ChannelHandlerContext ctx, Throwable e) {
            e.printStackTrace();
            ctx.close();
        }
    }
}
