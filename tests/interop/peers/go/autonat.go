package main

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/autonat"
	"github.com/libp2p/go-libp2p/p2p/protocol/autonatv2"
	ma "github.com/multiformats/go-multiaddr"
)

// startAutonat serves AutoNAT 1, and 2 as well unless only 1 is wanted; 2 also dials private addresses, which 1 can't be
// told to.
func startAutonat(h host.Host, o *options) error {
	d, err := newDialer(o)
	if err != nil {
		return err
	}
	service, forced := autonat.EnableService(d.Network()), autonat.WithReachability(network.ReachabilityPublic)
	if _, err := autonat.New(h, service, forced); err != nil || o.autonatV1 {
		return err
	}
	an, err := newV2(o)
	if err != nil {
		return err
	}
	return an.Start(h)
}

// newDialer makes a host for dial-backs: the library closes all its connections to a peer behind each.
func newDialer(o *options) (host.Host, error) { return newHost(&options{listenIP: o.listenIP}, false) }

func newV2(o *options) (*autonatv2.AutoNAT, error) {
	d, err := newDialer(o)
	if err != nil {
		return nil, err
	}
	return autonatv2.New(d, autonatv2.AllowPrivateAddrs)
}

// doAutonat asks a server of both versions about the addresses of --ask, or else about those that h listens on.
func doAutonat(ctx context.Context, h host.Host, o *options, ai *peer.AddrInfo) error {
	asked := h.Addrs()
	if len(o.ask) > 0 {
		asked = nil
		for _, s := range o.ask {
			a, err := ma.NewMultiaddr(s)
			if err != nil {
				return err
			}
			asked = append(asked, a)
		}
	}
	an, err := newV2(o)
	if err != nil {
		return err
	}
	defer an.Close()
	if err := an.Start(h); err != nil {
		return err
	}
	if err := h.Connect(ctx, *ai); err != nil {
		return err
	}
	ev := map[string]any{"event": "autonat", "v1": askV1(ctx, h, ai.ID, asked)}
	ev["v2"], ev["addr"] = askV2(ctx, an, asked)
	emit(ev)
	return nil
}

func askV1(ctx context.Context, h host.Host, p peer.ID, asked []ma.Multiaddr) string {
	own := func() []ma.Multiaddr { return asked }
	err := autonat.NewAutoNATClient(h, own, nil).DialBack(ctx, p)
	switch {
	case err == nil:
		return "public"
	case autonat.IsDialError(err):
		return "private"
	case autonat.IsDialRefused(err):
		return "refused"
	}
	return err.Error()
}

// askV2 waits until identify has told that there is a server.
func askV2(ctx context.Context, an *autonatv2.AutoNAT, asked []ma.Multiaddr) (string, string) {
	var reqs []autonatv2.Request
	for _, a := range asked {
		reqs = append(reqs, autonatv2.Request{Addr: a, SendDialData: true})
	}
	for {
		res, err := an.GetReachability(ctx, reqs)
		switch {
		case errors.Is(err, autonatv2.ErrNoPeers) && ctx.Err() == nil:
			time.Sleep(10 * time.Millisecond)
		case err != nil:
			return err.Error(), ""
		case res.AllAddrsRefused:
			return "refused", ""
		case res.Reachability == network.ReachabilityPublic:
			return "public", res.Addr.String()
		default:
			return "private", res.Addr.String()
		}
	}
}
