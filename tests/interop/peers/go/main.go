// Command peer is the go-libp2p reference peer of the interoperability harness.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

var (
	outMu sync.Mutex
	out   = bufio.NewWriterSize(os.Stdout, 64<<10)
)

// emit prints one JSON object on a line of its own.
func emit(v map[string]any) {
	line, err := json.Marshal(v)
	if err != nil {
		line = []byte(`{"event":"error","error":"unprintable event"}`)
	}
	outMu.Lock()
	defer outMu.Unlock()
	out.Write(line)
	out.WriteByte('\n')
	out.Flush()
}

func errorf(format string, a ...any) error { return fmt.Errorf(format, a...) }

// libVersion tells which go-libp2p this binary holds.
func libVersion() string {
	if bi, ok := debug.ReadBuildInfo(); ok {
		for _, d := range bi.Deps {
			if d.Path == "github.com/libp2p/go-libp2p" {
				return strings.TrimPrefix(d.Version, "v")
			}
		}
	}
	return "unknown"
}

// rssKiB reads the resident set of this process.
func rssKiB() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1
	}
	for _, l := range strings.Split(string(b), "\n") {
		if f := strings.Fields(l); len(f) >= 2 && f[0] == "VmRSS:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n
		}
	}
	return -1
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs, syscall.SIGTERM, syscall.SIGINT)
	go func() { <-sigs; cancel() }()

	err := run(ctx, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		emit(map[string]any{"event": "error", "error": err.Error()})
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return errorf("no verb")
	}
	switch args[0] {
	case "gossipsub-interop":
		return runHarness(ctx, args[1:])
	case "transport-interop":
		return runInterop(ctx, transportInterop)
	case "hole-punch-interop":
		return runInterop(ctx, holePunchInterop)
	}
	o, err := parseArgs(args[0], args[1:])
	if err != nil {
		return err
	}
	switch args[0] {
	case "listen":
		return runListen(ctx, o)
	case "dial":
		return runDial(ctx, o)
	case "gossip":
		return runGossip(ctx, o)
	case "dht":
		return runDHT(ctx, o)
	case "dht-table":
		return runTable(ctx, o)
	}
	fmt.Fprint(os.Stderr, usage)
	return errorf("unknown verb %q", args[0])
}

func runListen(ctx context.Context, o *options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	type member struct {
		h    host.Host
		t    *tracer
		in   *inbox
		d    *dht.IpfsDHT
		seen *requests
	}
	var members []member
	var commands *commander
	for i := range max(o.hosts, 1) {
		ho := *o
		if i > 0 {
			ho.seedHex, ho.port = "", 0
		}
		h, err := newHost(&ho, true)
		if err != nil {
			return err
		}
		defer h.Close()
		serve(h)
		serveProbe(h)
		if o.autonat || o.autonatV1 {
			if err := startAutonat(h, o); err != nil {
				return err
			}
		}
		if !o.quiet {
			if err := watch(h); err != nil {
				return err
			}
		}
		m := member{h: h, in: newInbox(0)}
		if o.dht || o.discover {
			if m.d, m.seen, err = startDHT(h, o, dhtMode(o)); err != nil {
				return err
			}
			defer m.d.Close()
		}
		ps, t, err := startPubSub(ctx, h, o, m.d)
		if err != nil {
			return err
		}
		m.t = t
		c := newCommander(h, ps, t, m.in, o)
		for _, name := range o.topics {
			if err := c.subscribe(ctx, name); err != nil {
				return err
			}
		}
		if i == 0 {
			commands = c
		}
		members = append(members, m)
		emit(map[string]any{"event": "listening", "addr": fullAddr(h)})
		for _, addr := range o.connect {
			go dialOut(ctx, h, addr)
		}
		if o.mdns {
			if err := startMDNS(ctx, h); err != nil {
				return err
			}
		}
		if m.d != nil && len(o.bootstrap) > 0 {
			go func() {
				start := time.Now()
				err := joinDHT(ctx, h, m.d, o)
				ev := tableEvent(h, m.d)
				ev["event"], ev["ok"], ev["seconds"] = "dht-joined", err == nil, time.Since(start).Seconds()
				if err != nil {
					ev["reason"] = err.Error()
				}
				emit(ev)
			}()
		}
		for _, addr := range o.relayAddr {
			ai, err := addrInfo(addr)
			if err != nil {
				return err
			}
			if err := h.Connect(ctx, *ai); err != nil {
				return err
			}
			go func() {
				if err := reserve(ctx, h, o, ai); err != nil && ctx.Err() == nil {
					emit(map[string]any{"event": "error", "error": err.Error()})
				}
			}()
		}
	}
	go func() {
		commands.read(ctx, os.Stdin)
		cancel()
	}()
	if o.rss {
		usr := make(chan os.Signal, 1)
		signal.Notify(usr, syscall.SIGUSR1)
		go func() {
			for range usr {
				runtime.GC()
				conns := 0
				for _, m := range members {
					conns += len(m.h.Network().Conns())
				}
				emit(map[string]any{"event": "rss", "rss_kib": rssKiB(), "connections": conns,
					"goroutines": runtime.NumGoroutine()})
			}
		}()
	}
	<-ctx.Done()
	for _, m := range members {
		ev := map[string]any{"event": "summary", "peer": m.h.ID().String(), "counters": m.t.counters()}
		if m.d != nil {
			table := tableEvent(m.h, m.d)
			ev["dht_requests"], ev["dht_table"], ev["dht_peers"] = m.seen.counts(), table["size"], table["peers"]
		}
		for k, v := range m.in.summary() {
			ev[k] = v
		}
		if o.rss {
			ev["rss_kib"] = rssKiB()
		}
		emit(ev)
	}
	return nil
}

// dialOut connects a listening host to addr, and reports a failure only: success shows as a connected event.
func dialOut(ctx context.Context, h host.Host, addr string) {
	ai, err := addrInfo(addr)
	if err == nil {
		err = h.Connect(ctx, *ai)
	}
	if err != nil {
		emit(map[string]any{"event": "connect-failed", "addr": addr, "error": err.Error()})
	}
}

func runDial(ctx context.Context, o *options) error {
	if len(o.positional) != 1 {
		return errorf("dial needs one ADDR")
	}
	ai, err := addrInfo(o.positional[0])
	if err != nil {
		return err
	}
	if o.do == "hold" {
		return doHold(ctx, o, ai)
	}
	if throughRelay(o) {
		ctx = network.WithAllowLimitedConn(ctx, "circuit")
	}
	h, err := newHost(o, o.dcutr || o.do == "autonat")
	if err != nil {
		return err
	}
	defer h.Close()
	switch o.do {
	case "connect":
		return doConnect(ctx, h, o, ai)
	case "identify":
		return doIdentify(ctx, h, ai)
	case "dcutr":
		return doDCUtR(ctx, h, o, ai)
	case "autonat":
		return doAutonat(ctx, h, o, ai)
	}
	dctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := h.Connect(dctx, *ai); err != nil {
		return err
	}
	switch o.do {
	case "ping":
		return doPing(ctx, h, o, ai.ID)
	case "echo":
		return doEcho(ctx, h, o, ai.ID)
	case "perf":
		return doPerf(ctx, h, o, ai.ID)
	}
	return errorf("unknown --do %q", o.do)
}

func doConnect(ctx context.Context, h host.Host, o *options, ai *peer.AddrInfo) error {
	h.Peerstore().AddAddrs(ai.ID, ai.Addrs, peerstore.PermanentAddrTTL)
	start := time.Now()
	for range o.count {
		if o.identify {
			if err := h.Connect(ctx, *ai); err != nil {
				return err
			}
			if err := h.Network().ClosePeer(ai.ID); err != nil {
				return err
			}
			continue
		}
		// DialPeer returns with security and muxer in place; identify runs beside it.
		c, err := h.Network().DialPeer(ctx, ai.ID)
		if err != nil {
			return err
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	emit(map[string]any{"event": "connect", "count": o.count, "seconds": time.Since(start).Seconds()})
	return nil
}

func doIdentify(ctx context.Context, h host.Host, ai *peer.AddrInfo) error {
	sub, err := h.EventBus().Subscribe(new(event.EvtPeerIdentificationCompleted))
	if err != nil {
		return err
	}
	defer sub.Close()
	if err := h.Connect(ctx, *ai); err != nil {
		return err
	}
	for {
		select {
		case e := <-sub.Out():
			if c := e.(event.EvtPeerIdentificationCompleted); c.Peer == ai.ID {
				emit(identifiedEvent(c))
				return nil
			}
		case <-time.After(10 * time.Second):
			return errorf("no identify within 10 s")
		}
	}
}

func doPing(ctx context.Context, h host.Host, o *options, p peer.ID) error {
	pctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rtts := make([]float64, 0, o.count)
	start := time.Now()
	for r := range ping.Ping(pctx, h, p) {
		if r.Error != nil {
			return errorf("after %d pings and %.1f s: %w", len(rtts), time.Since(start).Seconds(), r.Error)
		}
		rtts = append(rtts, float64(r.RTT.Nanoseconds())/1e3)
		if len(rtts) >= o.count {
			break
		}
		time.Sleep(time.Duration(o.interval * 1e9))
	}
	if len(rtts) < o.count {
		return errorf("only %d of %d pings came back", len(rtts), o.count)
	}
	emit(map[string]any{"event": "ping", "rtts_us": rtts})
	return nil
}

// each runs n jobs, at most workers at once (1 = one after another), and returns the first error.
func each(n, workers int, job func(i int) error) error {
	if workers <= 1 {
		for i := range n {
			if err := job(i); err != nil {
				return err
			}
		}
		return nil
	}
	next := make(chan int)
	errs := make(chan error, workers)
	stop := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				if err := job(i); err != nil {
					errs <- err
					once.Do(func() { close(stop) })
					return
				}
			}
		}()
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-stop:
			break feed
		}
	}
	close(next)
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func doEcho(ctx context.Context, h host.Host, o *options, p peer.ID) error {
	payload := make([]byte, o.size)
	for i := range payload {
		payload[i] = byte(i * 31)
	}
	workers := 1
	if o.concurrent {
		workers = o.streams
		if o.workers > 0 {
			workers = min(workers, o.workers)
		}
	}
	start := time.Now()
	if err := each(o.streams, workers, func(int) error { return echoOnce(ctx, h, p, payload) }); err != nil {
		return err
	}
	emit(map[string]any{"event": "echo", "streams": o.streams, "bytes": int64(o.size) * int64(o.streams),
		"seconds": time.Since(start).Seconds()})
	return nil
}

func doPerf(ctx context.Context, h host.Host, o *options, p peer.ID) error {
	k := int64(max(o.streams, 1))
	share := func(total, i int64) int64 {
		if i < total%k {
			return total/k + 1
		}
		return total / k
	}
	phase := func(up, down int64) (float64, error) {
		if up == 0 && down == 0 {
			return 0, nil
		}
		start := time.Now()
		err := each(int(k), int(k), func(i int) error {
			return perfStream(ctx, h, p, share(up, int64(i)), share(down, int64(i)))
		})
		return time.Since(start).Seconds(), err
	}
	upS, err := phase(o.up, 0)
	if err != nil {
		return err
	}
	downS, err := phase(0, o.down)
	if err != nil {
		return err
	}
	emit(map[string]any{"event": "perf", "up_bytes": o.up, "up_seconds": upS,
		"down_bytes": o.down, "down_seconds": downS, "streams": k})
	return nil
}

func doHold(ctx context.Context, o *options, ai *peer.AddrInfo) error {
	start := time.Now()
	for range o.count {
		h, err := newHost(o, false)
		if err != nil {
			return err
		}
		defer h.Close()
		if err := h.Connect(ctx, *ai); err != nil {
			return err
		}
	}
	emit(map[string]any{"event": "holding", "count": o.count, "seconds": time.Since(start).Seconds()})
	select {
	case <-time.After(time.Duration(o.wait * 1e9)):
	case <-ctx.Done():
	}
	return nil
}
