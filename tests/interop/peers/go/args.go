package main

import (
	"flag"
	"fmt"
	"os"
)

// options holds every flag of every verb; each verb reads what it needs.
type options struct {
	// host
	port         int
	listenIP     string
	seedHex      string
	relay        bool
	relayShinkai bool
	dcutr        bool
	autonat      bool
	autonatV1    bool
	relayAddr    stringList
	anonymous    bool
	hosts        int
	quiet        bool
	rss          bool
	trace        bool
	connect      stringList

	// gossip
	topics        stringList
	publish       int
	size          int
	rate          float64
	expect        int
	wait          float64
	settle        float64
	queue         int
	validateQueue int
	subBuffer     int
	floodPublish  bool
	policy        string
	ids           string
	meshSize      int
	heartbeatMs   int
	leaveBackoff  int
	floodsub      bool
	px            bool
	gossipEvents  bool
	noGossip      bool
	discover      bool

	// dht
	dht         bool
	dhtProtocol string
	dhtManual   bool
	dhtK        int
	bootstrap   stringList
	mdns        bool
	hold        float64
	window      int
	warm        int
	peers       int
	tables      int

	// dial
	do         string
	count      int
	streams    int
	concurrent bool
	workers    int
	up         int64
	down       int64
	identify   bool
	ask        stringList
	interval   float64

	positional []string
}

type stringList []string

func (s *stringList) String() string     { return fmt.Sprint([]string(*s)) }
func (s *stringList) Set(v string) error { *s = append(*s, v); return nil }

const usage = `usage:
  peer listen [--port 0] [--listen-ip IP] [--topic T]... [--relay [--relay-shinkai]] [--seed-hex 64HEX] [--anonymous]
              [--dcutr] [--relay-addr ADDR]... [--hosts N] [--quiet] [--rss] [--trace] [--connect ADDR]...
              [--autonat | --autonat-v1]
              [--gossip-events] [--policy strict|anonymous|lax|lax-unsigned] [--ids go|rust|sha256] [--mesh-size D]
              [--heartbeat-ms N] [--unsubscribe-backoff S] [--floodsub] [--px] [--flood-publish]
              [--no-gossip | --discover]
              [--dht [--dht-protocol ID] [--dht-k K] [--dht-manual] [--bootstrap ADDR]...] [--mdns]
  peer dial ADDR --do ping      [--count N] [--interval S]
  peer dial ADDR --do identify
  peer dial ADDR --do echo      --size N [--streams K] [--concurrent [--workers W]]
  peer dial ADDR --do perf      --up BYTES --down BYTES [--streams K]   (totals, split over K)
  peer dial ADDR --do connect   --count N [--identify]
  peer dial ADDR --do hold      --count N [--wait S]     (N hosts, one connection each)
  peer dial ADDR --do dcutr     --dcutr [--listen-ip IP] [--wait S]   (ADDR is a /p2p-circuit address)
  peer dial ADDR --do autonat   [--ask ADDR]... [--listen-ip IP]
  peer gossip ADDR... --topic T [--publish N --size S --rate R] [--expect M] [--wait S]
              [--quiet] [--queue N] [--validate-queue N] [--anonymous] [--flood-publish]
  peer dht ADDR --do find-peer PEERID | put KEY_HEX VALUE_HEX | get KEY_HEX | provide KEY_HEX |
              find-providers KEY_HEX | closest KEY_HEX
              [--wait S] [--dht-protocol ID] [--bootstrap ADDR]... [--hold S]
              [--count N [--window W] [--warm N]]   (closest)
  peer dht-table [--peers N] [--tables T]
  peer gossipsub-interop --params FILE [--node-id N] [--listen ADDR] [--peers-file FILE]
  peer transport-interop, peer hole-punch-interop           (told by the environment)
`

// parseArgs accepts flags before, between and after positional arguments.
func parseArgs(verb string, args []string) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet(verb, flag.ContinueOnError)
	fs.SetOutput(os.Stderr)
	fs.Usage = func() { fmt.Fprint(os.Stderr, usage) }

	fs.IntVar(&o.port, "port", 0, "TCP port to listen on")
	fs.StringVar(&o.listenIP, "listen-ip", "127.0.0.1", "address to listen on")
	fs.StringVar(&o.seedHex, "seed-hex", "", "32-byte Ed25519 seed in hex")
	fs.BoolVar(&o.relay, "relay", false, "also serve circuit-relay-v2 (hop)")
	fs.BoolVar(&o.relayShinkai, "relay-shinkai", false, "with --relay: circuits of 1 GiB and 1 h, as Shinkai's relays have")
	fs.BoolVar(&o.dcutr, "dcutr", false, "relay client and hole punching")
	fs.Var(&o.relayAddr, "relay-addr", "relay to reserve a slot at (repeatable)")
	fs.BoolVar(&o.anonymous, "anonymous", false, "gossipsub StrictNoSign, message id sha256(data)")
	fs.IntVar(&o.hosts, "hosts", 1, "hosts in this process (listen)")
	fs.BoolVar(&o.quiet, "quiet", false, "no message/connection events, only the closing summary")
	fs.BoolVar(&o.rss, "rss", false, "print resident memory on SIGUSR1 and at the end")

	fs.BoolVar(&o.trace, "trace", false, "print every yamux frame")
	fs.Var(&o.connect, "connect", "listen: also dial this address (repeatable)")

	fs.Var(&o.topics, "topic", "gossipsub topic (repeatable)")
	fs.IntVar(&o.publish, "publish", 0, "messages to publish")
	fs.IntVar(&o.size, "size", 1024, "message or payload size")
	fs.Float64Var(&o.rate, "rate", 0, "messages a second, 0 = as fast as possible")
	fs.IntVar(&o.expect, "expect", 0, "end after this many messages received")
	fs.Float64Var(&o.wait, "wait", 10, "seconds to wait at most")
	fs.Float64Var(&o.settle, "settle", 0.5, "seconds to stay after publishing when nothing is expected")
	fs.IntVar(&o.queue, "queue", 0, "outbound queue a peer (0 = library default, 32)")
	fs.IntVar(&o.validateQueue, "validate-queue", 0, "validation queue (0 = library default, 32)")
	fs.IntVar(&o.subBuffer, "sub-buffer", 65536, "buffer of the local subscription")
	fs.StringVar(&o.policy, "policy", "strict", "signatures: strict|anonymous|lax|lax-unsigned")
	fs.StringVar(&o.ids, "ids", "", "message ids: go|rust|sha256 (default: by policy)")
	fs.IntVar(&o.meshSize, "mesh-size", -1, "D, Dlo and Dhi; 0: no mesh at all (-1 = library defaults)")
	fs.IntVar(&o.heartbeatMs, "heartbeat-ms", 0, "heartbeat of gossipsub (0 = library default, 1000)")
	fs.IntVar(&o.leaveBackoff, "unsubscribe-backoff", 0, "seconds (0 = library default, 10)")
	fs.BoolVar(&o.floodsub, "floodsub", false, "speak /floodsub/1.0.0 only")
	fs.BoolVar(&o.px, "px", false, "name other peers in PRUNE")
	fs.BoolVar(&o.gossipEvents, "gossip-events", false, "listen: print graft, prune and rpc events")
	fs.BoolVar(&o.floodPublish, "flood-publish", false, "publish to all topic peers")
	fs.BoolVar(&o.noGossip, "no-gossip", false, "listen: no pubsub at all")
	fs.BoolVar(&o.discover, "discover", false, "listen: find the peers of topics by a DHT, without --dht as its client")

	fs.BoolVar(&o.dht, "dht", false, "serve Kademlia (server mode, no address filter)")
	fs.StringVar(&o.dhtProtocol, "dht-protocol", "/ipfs/kad/1.0.0", "Kademlia protocol id")
	fs.BoolVar(&o.dhtManual, "dht-manual", false, "no lookups of its own: neither bootstrap nor refresh")
	fs.IntVar(&o.dhtK, "dht-k", 0, "bucket size (0 = library default, 20)")
	fs.Var(&o.bootstrap, "bootstrap", "address of a DHT peer to join at (repeatable)")
	fs.BoolVar(&o.mdns, "mdns", false, "multicast DNS; refused unless the loopback is the only multicast interface")
	fs.Float64Var(&o.hold, "hold", 0, "dht: seconds to stay, listening, after the operation")

	fs.IntVar(&o.window, "window", 1, "dht: so many of --count lookups at once")
	fs.IntVar(&o.warm, "warm", 0, "dht: so many lookups before --count, not counted")
	fs.IntVar(&o.peers, "peers", 1000, "dht-table: peers of a table")
	fs.IntVar(&o.tables, "tables", 10, "dht-table: tables, of which the mean is printed")

	fs.StringVar(&o.do, "do", "ping", "ping|identify|echo|perf|connect|hold|dcutr|autonat; see also dht")
	fs.IntVar(&o.count, "count", 1, "repetitions")
	fs.IntVar(&o.streams, "streams", 1, "streams")
	fs.BoolVar(&o.concurrent, "concurrent", false, "open the streams concurrently")
	fs.IntVar(&o.workers, "workers", 0, "with --concurrent: at most this many at once (0 = all)")
	fs.Int64Var(&o.up, "up", 0, "bytes to upload in all")
	fs.Int64Var(&o.down, "down", 0, "bytes to download in all")
	fs.BoolVar(&o.autonat, "autonat", false, "serve AutoNAT 1 and 2")
	fs.BoolVar(&o.autonatV1, "autonat-v1", false, "serve AutoNAT 1 alone")
	fs.Var(&o.ask, "ask", "autonat: an address to ask about (repeatable; default: those listened on)")
	fs.BoolVar(&o.identify, "identify", false, "connect: also wait for identify on each connection")

	fs.Float64Var(&o.interval, "interval", 0, "ping: seconds between pings")

	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		args = fs.Args()
		if len(args) == 0 {
			return o, nil
		}
		o.positional = append(o.positional, args[0])
		args = args[1:]
	}
}
