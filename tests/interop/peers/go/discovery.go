package main

import (
	"context"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/p2p/discovery/routing"
)

// dhtMode is that of a listener's DHT: with --discover alone a client, which is in nobody's routing table.
func dhtMode(o *options) dht.ModeOpt {
	if o.dht {
		return dht.ModeServer
	}
	return dht.ModeClient
}

// startPubSub runs pubsub on h, unless --no-gossip; with --discover it finds the peers of its topics by d.
//
// A topic is announced when it is subscribed to, and if that fails, since d knows nobody yet, not again for two minutes.
func startPubSub(ctx context.Context, h host.Host, o *options, d *dht.IpfsDHT) (*pubsub.PubSub, *tracer, error) {
	if o.noGossip {
		return nil, &tracer{}, nil
	}
	if o.discover {
		return newPubSub(ctx, h, o, pubsub.WithDiscovery(routing.NewRoutingDiscovery(d)))
	}
	return newPubSub(ctx, h, o)
}
