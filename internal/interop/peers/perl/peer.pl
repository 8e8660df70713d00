# Server and client for the interop tests, written with Protocol::WebSocket.
#   peer.pl server VERSION          prints "LISTEN PORT"
#   peer.pl client VERSION URL
use strict;
use warnings;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Protocol::WebSocket::Cookie;
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Client;
use Protocol::WebSocket::Handshake::Server;

$| = 1;
my %draft = (
    'hixie-75' => 'draft-hixie-75',
    'hybi-00'  => 'draft-ietf-hybi-00',
    'hybi-10'  => 'draft-ietf-hybi-10',
    'rfc6455'  => 'draft-ietf-hybi-17',
);
my ($role, $version, $url) = @ARGV;
$role eq 'server' ? serve() : connect_to($url);

sub serve {
    my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', Proto => 'tcp') or die $!;
    print 'LISTEN ', $listener->sockport, "\n";
    while (my $socket = $listener->accept) {
        setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
        my $hs = Protocol::WebSocket::Handshake::Server->new;
        shake($socket, $hs) or next;
        my $cookie = $hs->req->field('Cookie') // '';
        converse($socket, $hs->version, 0, '', $cookie, $hs->res->subprotocol);
    }
}

# shake answers a request. The head of the answer to hybi-00 goes out before
# the last 8 bytes of the request are there.
sub shake {
    my ($socket, $hs) = @_;
    my $sent = 0;
    until ($hs->is_done) {
        sysread($socket, my $data, 4096) or return 0;
        unless ($hs->parse($data)) {
            warn 'handshake: ', $hs->error, "\n";
            return 0;
        }
        $hs->res->subprotocol('chat') if ($hs->req->subprotocol // '') =~ /\bchat\b/;
        print {$socket} $hs->to_string if $hs->is_body || $hs->is_done;
        $socket->flush;
    }
    return 1;
}

sub connect_to {
    my ($url) = @_;
    my ($host, $port) = $url =~ m{^ws://([^:/]+):(\d+)} or die "bad URL $url";
    my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Proto => 'tcp') or die $!;
    setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
    my $hs = Protocol::WebSocket::Handshake::Client->new(url => $url, version => $draft{$version});
    $hs->req->origin('http://interop.example');
    $hs->req->subprotocol('chat');
    $hs->req->{cookies} = Protocol::WebSocket::Cookie->new(pairs => [ [ interop => 'theirs' ] ]);
    print {$socket} $hs->to_string;
    $socket->flush;
    my $data = '';
    until ($hs->is_done) {
        sysread($socket, $data, 4096) or die 'server hung up during the handshake';
        $hs->parse($data) or die 'handshake: ', $hs->error;
    }
    converse($socket, $draft{$version}, 1, $data, '', $hs->res->subprotocol);
}

# converse echoes and obeys commands until the connection ends. $rest came with
# the handshake.
sub converse {
    my ($socket, $draft, $masked, $rest, $cookie, $subprotocol) = @_;
    my $hixie = $draft =~ /75|00/;
    my $in = Protocol::WebSocket::Frame->new(version => $draft, max_payload_size => 0);
    my $send = sub {
        my ($bytes, %more) = @_;
        print {$socket} Protocol::WebSocket::Frame->new(
            buffer => $bytes, version => $draft, masked => $masked, max_payload_size => 0, type => 'text', %more
        )->to_bytes;
        $socket->flush;
    };
    my $closing = 0;
    my $data = $rest;
    do {
        $in->append($data);
        while (defined(my $bytes = $in->next_bytes)) {
            if ($in->is_close) {
                my ($code, $reason) = length $bytes >= 2 ? unpack('n a*', $bytes) : ('', '');
                print "CLOSED $code $reason\n";
                $send->($bytes, type => 'close') unless $closing || $draft =~ /75/;
                close $socket;
                return;
            }
            elsif ($in->is_ping) { $send->($bytes, type => 'pong') }
            elsif ($in->is_pong) { $send->("pong $bytes") if length $bytes }
            elsif ($in->is_binary && !$hixie) { $send->($bytes, type => 'binary') }
            elsif ($bytes eq '!subprotocol') { $send->('subprotocol ' . ($subprotocol // '')) }
            elsif ($bytes eq '!cookie') { $send->("cookie $cookie") }
            elsif ($bytes eq '!burst') { $send->("burst $_") for 1 .. 3 }
            elsif ($bytes eq '!fragments') {
                $send->('one, ', fin => 0);
                $send->('two, ', fin => 0, type => 'continuation');
                $send->('', type => 'ping');
                $send->("three \xe2\x9c\x93", type => 'continuation');
            }
            elsif ($bytes =~ /^!ping (.*)/) { $send->($1, type => 'ping') }
            elsif ($bytes =~ /^!close (\d+) (.*)/s) {
                if ($draft =~ /75/) { close $socket; return }
                $send->($hixie ? '' : pack('n a*', $1, $2), type => 'close');
                $closing = 1;
            }
            else { $send->($bytes) }
        }
    } while (sysread($socket, $data, 65536));
    print "CLOSED\n";
    close $socket;
}
