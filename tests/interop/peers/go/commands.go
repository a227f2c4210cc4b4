package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// commander does what the lines on stdin of a listening peer ask for; see the README beside the peers.
type commander struct {
	h      host.Host
	ps     *pubsub.PubSub
	t      *tracer
	in     *inbox
	o      *options
	topics map[string]*pubsub.Topic
	leave  map[string]func()
}

func newCommander(h host.Host, ps *pubsub.PubSub, t *tracer, in *inbox, o *options) *commander {
	return &commander{h: h, ps: ps, t: t, in: in, o: o, topics: map[string]*pubsub.Topic{}, leave: map[string]func(){}}
}

// read runs commands until the input ends.
func (c *commander) read(ctx context.Context, input io.Reader) {
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		if err := c.run(ctx, words[0], words[1:]); err != nil {
			emit(map[string]any{"event": "command-failed", "command": words[0], "error": err.Error()})
		}
	}
}

func (c *commander) run(ctx context.Context, command string, words []string) error {
	wanted := map[string]int{"subscribe": 1, "unsubscribe": 1, "publish": 2, "burst": 4, "connect": 1, "disconnect": 1,
		"counters": 0, "streams": 1}
	count, known := wanted[command]
	if !known || len(words) != count {
		return errorf("no such command with %d words", len(words))
	}
	switch command {
	case "subscribe":
		return c.subscribe(ctx, words[0])
	case "unsubscribe":
		leave, ok := c.leave[words[0]]
		if !ok {
			return errorf("not subscribed")
		}
		delete(c.leave, words[0])
		leave()
	case "publish":
		data, err := hex.DecodeString(strings.TrimPrefix(words[1], "-")) // "-" is no data
		if err != nil {
			return err
		}
		return c.publish(ctx, words[0], 1, 0, func(int) []byte { return data })
	case "burst":
		size, err1 := strconv.Atoi(words[1])
		number, err2 := strconv.Atoi(words[2])
		rate, err3 := strconv.ParseFloat(words[3], 64)
		if err1 != nil || err2 != nil || err3 != nil || size < 16 {
			return errorf("burst TOPIC SIZE COUNT RATE")
		}
		return c.publish(ctx, words[0], number, rate, func(i int) []byte {
			data := make([]byte, size)
			binary.BigEndian.PutUint64(data, uint64(i))
			binary.BigEndian.PutUint64(data[8:], uint64(time.Now().UnixNano()))
			return data
		})
	case "connect":
		go dialOut(ctx, c.h, words[0])
	case "disconnect":
		p, err := peer.Decode(words[0])
		if err != nil {
			return err
		}
		return c.h.Network().ClosePeer(p)
	case "counters":
		emit(map[string]any{"event": "counters", "counters": c.t.counters()})
	case "streams":
		return c.endStreams(words[0])
	}
	return nil
}

func (c *commander) join(name string) (*pubsub.Topic, error) {
	if topic, ok := c.topics[name]; ok {
		return topic, nil
	}
	if c.ps == nil {
		return nil, errorf("--no-gossip")
	}
	topic, err := c.ps.Join(name)
	if err == nil {
		c.topics[name] = topic
	}
	return topic, err
}

func (c *commander) subscribe(ctx context.Context, name string) error {
	topic, err := c.join(name)
	if err != nil {
		return err
	}
	sub, err := topic.Subscribe(pubsub.WithBufferSize(c.o.subBuffer))
	if err != nil {
		return err
	}
	c.leave[name] = sub.Cancel
	go receive(ctx, c.h, sub, c.in, c.o)
	return nil
}

func (c *commander) publish(ctx context.Context, name string, count int, rate float64, make func(int) []byte) error {
	topic, err := c.join(name)
	if err != nil {
		return err
	}
	begin := time.Now()
	for i := range count {
		if rate > 0 {
			time.Sleep(time.Until(begin.Add(time.Duration(float64(i) / rate * 1e9))))
		}
		if err := topic.Publish(ctx, make(i)); err != nil {
			return err
		}
	}
	emit(map[string]any{"event": "published", "topic": name, "count": count})
	return nil
}

// endStreams ends the pubsub streams of one direction: in are those that the other side writes on.
func (c *commander) endStreams(how string) error {
	directions := map[string]network.Direction{"reset-in": network.DirInbound, "end-in": network.DirInbound,
		"reset-out": network.DirOutbound}
	direction, ok := directions[how]
	if !ok {
		return errorf("streams: reset-in, end-in or reset-out")
	}
	count := 0
	for _, conn := range c.h.Network().Conns() {
		for _, s := range conn.GetStreams() {
			id := string(s.Protocol())
			if s.Stat().Direction != direction || !(strings.HasPrefix(id, "/meshsub/") || strings.HasPrefix(id, "/floodsub/")) {
				continue
			}
			count++
			if how == "end-in" {
				s.CloseWrite()
			} else {
				s.Reset()
			}
		}
	}
	emit(map[string]any{"event": "streams-ended", "how": how, "count": count})
	return nil
}

// meshes knows who is in which mesh: the library tells of changes only.
type meshes struct {
	mu     sync.Mutex
	topics map[string]map[peer.ID]struct{}
}

// meshChange is one peer that came into a mesh, or left it.
type meshChange struct {
	event string
	p     peer.ID
	topic string
}

func (m *meshes) add(p peer.ID, topic string) []meshChange {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.topics == nil {
		m.topics = map[string]map[peer.ID]struct{}{}
	}
	if m.topics[topic] == nil {
		m.topics[topic] = map[peer.ID]struct{}{}
	}
	m.topics[topic][p] = struct{}{}
	return []meshChange{{"graft", p, topic}}
}

func (m *meshes) remove(p peer.ID, topic string) []meshChange {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.topics[topic][p]; !ok {
		return nil
	}
	delete(m.topics[topic], p)
	return []meshChange{{"prune", p, topic}}
}

func (m *meshes) forget(p peer.ID) []meshChange {
	m.mu.Lock()
	topics := make([]string, 0, len(m.topics))
	for topic := range m.topics {
		topics = append(topics, topic)
	}
	m.mu.Unlock()
	var all []meshChange
	for _, topic := range topics {
		all = append(all, m.remove(p, topic)...)
	}
	return all
}

func (m *meshes) leave(topic string) []meshChange {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []meshChange
	for p := range m.topics[topic] {
		all = append(all, meshChange{"prune", p, topic})
	}
	delete(m.topics, topic)
	return all
}

func (t *tracer) changed(changes []meshChange) {
	if !t.loud {
		return
	}
	for _, c := range changes {
		emit(map[string]any{"event": c.event, "peer": c.p.String(), "topic": c.topic})
	}
}

// show prints what an RPC holds beside subscriptions.
func (t *tracer) show(way string, r *pubsub.RPC, p peer.ID) {
	if !t.loud {
		return
	}
	ev := map[string]any{"event": "rpc", "way": way, "peer": p.String(), "publish": len(r.GetPublish())}
	control := r.GetControl()
	ihave, iwant, idontwant, px := 0, 0, 0, 0
	grafts, prunes, backoffs := []string{}, []string{}, []uint64{}
	for _, m := range control.GetIhave() {
		ihave += len(m.GetMessageIDs())
	}
	for _, m := range control.GetIwant() {
		iwant += len(m.GetMessageIDs())
	}
	for _, m := range control.GetIdontwant() {
		idontwant += len(m.GetMessageIDs())
	}
	for _, m := range control.GetGraft() {
		grafts = append(grafts, m.GetTopicID())
	}
	for _, m := range control.GetPrune() {
		prunes = append(prunes, m.GetTopicID())
		backoffs = append(backoffs, m.GetBackoff())
		px += len(m.GetPeers())
	}
	if ihave+iwant+idontwant+len(grafts)+len(prunes)+len(r.GetPublish()) == 0 {
		return
	}
	ev["ihave"], ev["iwant"], ev["idontwant"], ev["px"] = ihave, iwant, idontwant, px
	ev["graft"], ev["prune"], ev["backoff"] = grafts, prunes, backoffs
	emit(ev)
}
