package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime"
	"runtime/debug"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
)

// runTable is the verb dht-table: by how much the resident memory grows for a routing table of --peers made-up
// peers, with what the peerstore and the connection manager hold of them. Pages are coarse, so that the mean of
// --tables is taken; a first one is not counted, as what it adds is also that of the runtime. The hosts, which do
// not listen, and the tables without peers are there before.
func runTable(ctx context.Context, o *options) error {
	manual := *o
	manual.dhtManual, manual.dhtK, manual.seedHex = true, o.peers, ""
	var hosts []host.Host
	var tables []*dht.IpfsDHT
	for range o.tables + 1 {
		h, err := newHost(&manual, false)
		if err != nil {
			return err
		}
		defer h.Close()
		d, _, err := startDHT(h, &manual, dht.ModeServer)
		if err != nil {
			return err
		}
		defer d.Close()
		hosts, tables = append(hosts, h), append(tables, d)
	}
	number := 0
	var before int64
	for i, d := range tables {
		if i == 1 {
			before = residentBytes()
		}
		for range o.peers {
			if err := addPeer(hosts[i], d, number, o.dhtProtocol); err != nil {
				return err
			}
			number++
		}
	}
	growth := residentBytes() - before
	held := 0
	for _, d := range tables[1:] {
		held += d.RoutingTable().Size()
	}
	emit(map[string]any{"event": "dht-table-memory", "peers": o.peers, "tables": o.tables,
		"in_table": held / o.tables, "bytes": growth / int64(o.tables)})
	runtime.KeepAlive(hosts)
	return ctx.Err()
}

// addPeer does what identify and then the DHT do of a peer that has answered.
func addPeer(h host.Host, d *dht.IpfsDHT, number int, proto string) error {
	// The id of an Ed25519 key holds the key.
	raw := append([]byte{0, 0x24, 8, 1, 0x12, 0x20}, make([]byte, 32)...)
	if _, err := rand.Read(raw[6:]); err != nil {
		return err
	}
	p, err := peer.IDFromBytes(raw)
	if err != nil {
		return err
	}
	addr, err := ma.NewMultiaddr(fmt.Sprintf("/ip4/10.%d.%d.%d/tcp/4001", number>>16&255, number>>8&255, number&255))
	if err != nil {
		return err
	}
	h.Peerstore().AddAddr(p, addr, peerstore.RecentlyConnectedAddrTTL)
	if err := h.Peerstore().AddProtocols(p, protocol.ID(proto)); err != nil {
		return err
	}
	_, err = d.RoutingTable().TryAddPeer(p, true, false)
	return err
}

func residentBytes() int64 {
	runtime.GC()
	debug.FreeOSMemory()
	return rssKiB() * 1024
}
