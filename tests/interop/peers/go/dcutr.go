package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	ma "github.com/multiformats/go-multiaddr"
)

// readyTimeout bounds the wait for a public address, without which the library punches no holes.
const readyTimeout = 10 * time.Second

func onLoopback(o *options) bool {
	ip := net.ParseIP(o.listenIP)
	return ip != nil && ip.IsLoopback()
}

// throughRelay tells whether a dialer's address is a circuit.
func throughRelay(o *options) bool {
	return len(o.positional) == 1 && strings.Contains(o.positional[0], "/p2p-circuit")
}

// tracePunches prints what the hole punching service does.
type tracePunches struct{}

func (tracePunches) Trace(e *holepunch.Event) {
	emit(map[string]any{"event": "dcutr", "peer": e.Remote.String(), "type": e.Type, "detail": e.Evt})
}

var punchTracer = holepunch.WithTracer(tracePunches{})

// punchOnLoopback starts hole punching by hand: libp2p.EnableHolePunching acts only once a public address is known,
// and there is none on the loopback.
func punchOnLoopback(h host.Host) error {
	ids, ok := h.(interface{ IDService() identify.IDService })
	if !ok {
		return errors.New("host shows no identify service")
	}
	own := func() []ma.Multiaddr {
		var out []ma.Multiaddr
		for _, a := range h.Addrs() {
			if _, err := a.ValueForProtocol(ma.P_CIRCUIT); err != nil {
				out = append(out, a)
			}
		}
		return out
	}
	_, err := holepunch.NewService(h, ids.IDService(), own, punchTracer)
	return err
}

// waitForPunching returns when hole punching has begun to serve, which it does after it has learned a public address.
func waitForPunching(ctx context.Context, h host.Host) error {
	end := time.Now().Add(readyTimeout)
	for !slices.Contains(h.Mux().Protocols(), holepunch.Protocol) {
		if time.Now().After(end) || ctx.Err() != nil {
			return errorf("no public address for hole punching within %v", readyTimeout)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// reserve keeps a relay slot until ctx ends.
func reserve(ctx context.Context, h host.Host, o *options, relay *peer.AddrInfo) error {
	for first := true; ; first = false {
		r, err := client.Reserve(ctx, h, *relay)
		if err != nil {
			if first || ctx.Err() != nil {
				return err
			}
			emit(map[string]any{"event": "reservation-lost", "reason": err.Error()})
			return err
		}
		if first && o.dcutr {
			if err := waitForPunching(ctx, h); err != nil {
				return err
			}
		}
		if first {
			emit(map[string]any{"event": "reserved", "expires": r.Expiration.Unix(),
				"addr": fmt.Sprintf("%s/p2p/%s/p2p-circuit/p2p/%s", relay.Addrs[0], relay.ID, h.ID())})
		}
		wait := time.Until(r.Expiration) / 2
		if wait < time.Second {
			wait = time.Second
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// doDCUtR connects through a relay, waits for a direct connection to the same peer, and pings over it.
func doDCUtR(ctx context.Context, h host.Host, o *options, ai *peer.AddrInfo) error {
	if !o.dcutr || !throughRelay(o) {
		return errorf("--do dcutr needs --dcutr and a circuit address")
	}
	relay, _ := ma.SplitFunc(ai.Addrs[0], func(c ma.Component) bool { return c.Protocol().Code == ma.P_CIRCUIT })
	through, err := peer.AddrInfoFromP2pAddr(relay)
	if err != nil {
		return err
	}
	if err := h.Connect(ctx, *through); err != nil {
		return err
	}
	if err := waitForPunching(ctx, h); err != nil {
		return err
	}
	start := time.Now()
	if err := h.Connect(ctx, *ai); err != nil {
		return err
	}
	emit(map[string]any{"event": "relayed", "seconds": time.Since(start).Seconds()})
	for time.Since(start) < time.Duration(o.wait*1e9) {
		for _, c := range h.Network().ConnsToPeer(ai.ID) {
			// Not by the limit: a relay of rust-libp2p 0.53 tells none in its answer.
			if _, err := c.RemoteMultiaddr().ValueForProtocol(ma.P_CIRCUIT); err != nil {
				return reportDirect(ctx, h, c, time.Since(start))
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errorf("no direct connection within %v s", o.wait)
}

// reportDirect pings once, which goes over a direct connection only, and prints the event.
func reportDirect(ctx context.Context, h host.Host, c network.Conn, after time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, ok := <-ping.Ping(ctx, h, c.RemotePeer())
	if !ok {
		return errorf("no ping over the direct connection")
	}
	if r.Error != nil {
		return r.Error
	}
	emit(map[string]any{"event": "direct", "remote": c.RemoteMultiaddr().String(),
		"direction": strings.ToLower(c.Stat().Direction.String()), "seconds": after.Seconds(),
		"rtt_us": float64(r.RTT.Nanoseconds()) / 1e3})
	return nil
}
