package main

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"reflect"
	"strconv"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
)

// A node of libp2p's gossipsub-interop scenarios, with the flags of `p2pstack gossipsub-interop`. JSON lines on stdout
// are for the checks of a scenario alone; everything else, failures included, goes to stderr.

const (
	harnessPort    = 9000
	harnessIDSize  = 8
	connectSeconds = 20 // another node may take longer to start than this one did
)

func runHarness(ctx context.Context, args []string) error {
	err := playScenario(ctx, args, time.Now())
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) // main would report it on stdout
	}
	return err
}

func playScenario(ctx context.Context, args []string, started time.Time) error {
	fs := flag.NewFlagSet("gossipsub-interop", flag.ContinueOnError)
	params := fs.String("params", "", "the scenario, JSON")
	node := fs.Int64("node-id", -1, "which node to be (default: of the host's name)")
	listen := fs.String("listen", fmt.Sprintf("/ip4/0.0.0.0/tcp/%d", harnessPort), "address to listen on")
	peersFile := fs.String("peers-file", "", `where the others are, JSON: {"0": ADDR, …} (default: by name)`)
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *node < 0 {
		name, err := os.Hostname()
		if err != nil {
			return err
		}
		if _, err := fmt.Sscanf(name, "node%d", node); err != nil {
			return errorf("the host's name %q is not like node7", name)
		}
	}
	var scenario struct {
		Script []*instruction `json:"script"`
	}
	if err := readJSON(*params, &scenario); err != nil {
		return err
	}
	n := &harnessNode{id: uint64(*node), started: started, topics: map[string]*pubsub.Topic{}}
	if *peersFile != "" {
		if err := readJSON(*peersFile, &n.addresses); err != nil {
			return err
		}
	}
	if err := n.open(*listen); err != nil {
		return err
	}
	defer n.h.Close()
	report("PeerID", map[string]any{"id": n.h.ID().String(), "node_id": n.id})
	for i, each := range scenario.Script {
		if err := n.do(ctx, each); err != nil {
			return errorf("instruction %d: %w", i+1, err)
		}
	}
	return nil
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return errorf("%s: %w", path, err)
	}
	return nil
}

// report prints a line that the checks read.
func report(message string, values map[string]any) {
	values["time"] = time.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	values["level"], values["msg"] = "INFO", message
	emit(values)
}

// instruction holds the fields of every type of instruction; each reads what it needs.
type instruction struct {
	Type        string              `json:"type"`
	NodeID      uint64              `json:"nodeID"`
	Instruction *instruction        `json:"instruction"`
	Params      map[string]*float64 `json:"gossipSubParams"`
	ConnectTo   []uint64            `json:"connectTo"`
	Elapsed     float64             `json:"elapsedSeconds"`
	Delay       float64             `json:"delaySeconds"`
	Topic       string              `json:"topicID"`
	Partial     bool                `json:"partial"`
	Message     uint64              `json:"messageID"`
	Size        int                 `json:"messageSizeBytes"`
}

type harnessNode struct {
	id        uint64
	started   time.Time
	addresses map[string]string // by number of the node; nil: they are found by name
	h         host.Host
	ps        *pubsub.PubSub
	topics    map[string]*pubsub.Topic
}

// harnessSeed is the seed of a node's key: its number, little-endian.
func harnessSeed(node uint64) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, node), make([]byte, ed25519.SeedSize-8)...)
}

func harnessPeer(node uint64) (peer.ID, error) {
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(harnessSeed(node)))
	if err != nil {
		return "", err
	}
	return peer.IDFromPrivateKey(key)
}

func (n *harnessNode) open(listen string) error {
	addr, err := ma.NewMultiaddr(listen)
	if err != nil {
		return err
	}
	if n.h, err = newHost(&options{seedHex: hex.EncodeToString(harnessSeed(n.id))}, false); err != nil {
		return err
	}
	if err := n.h.Network().Listen(addr); err != nil {
		n.h.Close()
		return err
	}
	return nil
}

func (n *harnessNode) do(ctx context.Context, each *instruction) error {
	if each == nil {
		return errorf("a condition without an instruction")
	}
	if each.Type != "ifNodeIDEquals" && each.Type != "initGossipSub" && n.ps == nil {
		return errorf("initGossipSub has to come first")
	}
	switch each.Type {
	case "ifNodeIDEquals":
		if each.NodeID == n.id {
			return n.do(ctx, each.Instruction)
		}
		return nil
	case "initGossipSub":
		return n.start(ctx, each.Params)
	case "connect":
		for _, node := range each.ConnectTo {
			if err := n.connect(ctx, node); err != nil {
				return errorf("node %d: %w", node, err)
			}
		}
		fmt.Fprintf(os.Stderr, "%d connections\n", len(n.h.Network().Conns()))
		return nil
	case "waitUntil":
		return pause(ctx, time.Until(n.started.Add(seconds(each.Elapsed))))
	case "subscribeToTopic":
		if each.Partial {
			return errorf("partial messages are not implemented")
		}
		return n.subscribe(ctx, each.Topic)
	case "publish":
		return n.publish(ctx, each)
	case "setTopicValidationDelay":
		return n.delay(each.Topic, seconds(each.Delay))
	}
	return errorf("its type %q is not known", each.Type)
}

func seconds(number float64) time.Duration { return time.Duration(number * float64(time.Second)) }

// pause waits, and ends early with the context.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reporter prints each message that another node sends, the first time and again.
type reporter struct{ tracer }

func (*reporter) RecvRPC(r *pubsub.RPC) {
	for _, m := range r.GetPublish() {
		report("Received Message", map[string]any{"id": strconv.FormatUint(messageNumber(m.GetData()), 10),
			"from": r.From().String(), "topic": m.GetTopic()})
	}
}

func messageNumber(data []byte) uint64 {
	number := uint64(0)
	for _, b := range data[:min(len(data), harnessIDSize)] {
		number = number<<8 | uint64(b)
	}
	return number
}

func (n *harnessNode) start(ctx context.Context, given map[string]*float64) error {
	if n.ps != nil {
		return errorf("initGossipSub can come once only")
	}
	params, err := scenarioParams(given)
	if err != nil {
		return err
	}
	n.ps, err = pubsub.NewGossipSub(ctx, n.h,
		pubsub.WithGossipSubParams(params),
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(func(m *pb.Message) string {
			return string(m.GetData()[:min(len(m.GetData()), harnessIDSize)])
		}),
		pubsub.WithMaxMessageSize(10<<20), pubsub.WithPeerOutboundQueueSize(600), pubsub.WithValidateQueueSize(600),
		pubsub.WithRawTracer(&reporter{}))
	return err
}

// scenarioParams puts what a scenario says over the library's defaults: the names are those of its fields, and times
// are nanoseconds, as its durations are.
func scenarioParams(given map[string]*float64) (pubsub.GossipSubParams, error) {
	params := pubsub.DefaultGossipSubParams()
	fields := reflect.ValueOf(&params).Elem()
	for name, value := range given {
		field := fields.FieldByName(name)
		if !field.IsValid() {
			return params, errorf("gossipSubParams: %q is not known", name)
		}
		switch {
		case value == nil: // the default stays
		case field.CanInt():
			field.SetInt(int64(*value))
		case field.CanUint():
			field.SetUint(uint64(*value))
		case field.CanFloat():
			field.SetFloat(*value)
		default:
			return params, errorf("gossipSubParams: %q is no number", name)
		}
	}
	return params, nil
}

func (n *harnessNode) connect(ctx context.Context, node uint64) error {
	info, err := n.find(node)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, connectSeconds*time.Second)
	defer cancel()
	for {
		err := n.h.Connect(ctx, *info)
		if err == nil {
			return nil
		}
		// A node that is not there yet is tried again and again, so a failure may not count.
		if s, ok := n.h.Network().(*swarm.Swarm); ok {
			s.Backoff().Clear(info.ID)
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return err
		}
	}
}

func (n *harnessNode) find(node uint64) (*peer.AddrInfo, error) {
	text, ok := n.addresses[strconv.FormatUint(node, 10)]
	if n.addresses == nil {
		found, err := net.LookupIP(fmt.Sprintf("node%d", node))
		if err != nil {
			return nil, err
		}
		version := "ip4"
		if found[0].To4() == nil {
			version = "ip6"
		}
		text = fmt.Sprintf("/%s/%s/tcp/%d", version, found[0], harnessPort)
	} else if !ok {
		return nil, errorf("it has no address")
	}
	addr, err := ma.NewMultiaddr(text)
	if err != nil {
		return nil, err
	}
	if info, err := peer.AddrInfoFromP2pAddr(addr); err == nil {
		return info, nil
	}
	id, err := harnessPeer(node)
	if err != nil {
		return nil, err
	}
	return &peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{addr}}, nil
}

func (n *harnessNode) topic(name string) (*pubsub.Topic, error) {
	if topic, ok := n.topics[name]; ok {
		return topic, nil
	}
	topic, err := n.ps.Join(name)
	if err == nil {
		n.topics[name] = topic
	}
	return topic, err
}

func (n *harnessNode) subscribe(ctx context.Context, name string) error {
	topic, err := n.topic(name)
	if err != nil {
		return err
	}
	sub, err := topic.Subscribe()
	if err != nil {
		return err
	}
	go func() {
		for {
			m, err := sub.Next(ctx)
			if err != nil {
				return
			}
			fmt.Fprintf(os.Stderr, "message %d delivered\n", messageNumber(m.Data))
		}
	}()
	return nil
}

func (n *harnessNode) publish(ctx context.Context, each *instruction) error {
	if each.Size < harnessIDSize {
		return errorf("a message has at least %d bytes", harnessIDSize)
	}
	topic, err := n.topic(each.Topic)
	if err != nil {
		return err
	}
	data := make([]byte, each.Size)
	binary.BigEndian.PutUint64(data, each.Message)
	fmt.Fprintf(os.Stderr, "message %d published\n", each.Message)
	return topic.Publish(ctx, data)
}

// delay has each message of a topic accepted later; said again, the last word counts.
func (n *harnessNode) delay(topic string, d time.Duration) error {
	_ = n.ps.UnregisterTopicValidator(topic) // there may be none
	return n.ps.RegisterTopicValidator(topic, func(ctx context.Context, _ peer.ID, _ *pubsub.Message) bool {
		return pause(ctx, d) == nil
	})
}
