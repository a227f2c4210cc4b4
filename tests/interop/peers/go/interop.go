package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

// The clients of libp2p's transport-interop and hole-punch-interop tests. What they are to do stands in the environment,
// the result goes to stdout, failures go to stderr.

const interopSeconds = 60

// runInterop runs a client, and reports its failure as its contract has it.
func runInterop(ctx context.Context, client func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, interopSeconds*time.Second)
	defer cancel()
	err := client(ctx)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) // main would report it on stdout
	}
	return err
}

// redis is a connection to Redis; it reads the replies of the two commands that it sends.
type redis struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialRedis(ctx context.Context, addr string) (*redis, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	return &redis{conn, bufio.NewReader(conn)}, nil
}

func (r *redis) send(words ...string) error {
	fmt.Fprintf(r.conn, "*%d\r\n", len(words))
	for _, w := range words {
		if _, err := fmt.Fprintf(r.conn, "$%d\r\n%s\r\n", len(w), w); err != nil {
			return err
		}
	}
	return nil
}

func (r *redis) line(kind string) (string, error) {
	line, err := r.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(line, kind) {
		return "", errorf("redis answers %q", line)
	}
	return strings.TrimSpace(line[1:]), nil
}

func (r *redis) push(key, value string) error {
	if err := r.send("RPUSH", key, value); err != nil {
		return err
	}
	_, err := r.line(":")
	return err
}

// pop waits for the first entry of a list.
func (r *redis) pop(key string) (string, error) {
	if err := r.send("BLPOP", key, "0"); err != nil {
		return "", err
	}
	if _, err := r.line("*"); err != nil {
		return "", err
	}
	var text string
	for range 2 {
		length, err := r.line("$")
		if err != nil {
			return "", err
		}
		n, err := strconv.Atoi(length)
		if err != nil {
			return "", err
		}
		data := make([]byte, n+2)
		if _, err := io.ReadFull(r.in, data); err != nil {
			return "", err
		}
		text = string(data[:n])
	}
	return text, nil
}

func env(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

func transportInterop(ctx context.Context) error {
	r, err := dialRedis(ctx, env("redis_addr", "redis:6379"))
	if err != nil {
		return err
	}
	defer r.conn.Close()
	h, err := newHost(&options{listenIP: env("ip", "0.0.0.0")}, os.Getenv("is_dialer") != "true")
	if err != nil {
		return err
	}
	defer h.Close()
	if os.Getenv("is_dialer") != "true" {
		if err := r.push("listenerAddr", fullAddr(h)); err != nil {
			return err
		}
		<-ctx.Done()
		return errorf("nobody has ended this listener")
	}
	addr, err := r.pop("listenerAddr")
	if err != nil {
		return err
	}
	ai, err := addrInfo(addr)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := h.Connect(ctx, *ai); err != nil {
		return err
	}
	rtt, err := pingOnce(ctx, h, ai.ID)
	if err != nil {
		return err
	}
	millis := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	emit(map[string]any{"handshakePlusOneRTTMillis": millis(time.Since(start)), "pingRTTMilllis": millis(rtt)})
	return nil
}

func pingOnce(ctx context.Context, h host.Host, p peer.ID) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, ok := <-ping.Ping(ctx, h, p)
	if !ok {
		return 0, errorf("no ping")
	}
	return r.RTT, r.Error
}

func holePunchInterop(ctx context.Context) error {
	r, err := dialRedis(ctx, env("REDIS_ADDR", "redis:6379"))
	if err != nil {
		return err
	}
	defer r.conn.Close()
	addr, err := r.pop("RELAY_TCP_ADDRESS")
	if err != nil {
		return err
	}
	relay, err := addrInfo(addr)
	if err != nil {
		return err
	}
	o := &options{listenIP: "0.0.0.0", dcutr: true}
	h, err := newHost(o, true)
	if err != nil {
		return err
	}
	defer h.Close()
	if err := h.Connect(ctx, *relay); err != nil {
		return err
	}
	if os.Getenv("MODE") == "listen" {
		if _, err := client.Reserve(ctx, h, *relay); err != nil {
			return err
		}
	}
	if err := waitForPunching(ctx, h); err != nil {
		return err
	}
	if os.Getenv("MODE") == "listen" {
		if err := r.push("LISTEN_CLIENT_PEER_ID", h.ID().String()); err != nil {
			return err
		}
		<-ctx.Done()
		return errorf("nobody has ended this listener")
	}
	name, err := r.pop("LISTEN_CLIENT_PEER_ID")
	if err != nil {
		return err
	}
	other, err := addrInfo(addr + "/p2p-circuit/p2p/" + name)
	if err != nil {
		return err
	}
	if err := h.Connect(ctx, *other); err != nil {
		return err
	}
	for ctx.Err() == nil {
		for _, c := range h.Network().ConnsToPeer(other.ID) {
			if strings.Contains(c.RemoteMultiaddr().String(), "/p2p-circuit") {
				continue
			}
			rtt, err := pingOnce(ctx, h, other.ID)
			if err == nil {
				emit(map[string]any{"rtt_to_holepunched_peer_millis": rtt.Milliseconds()})
			}
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errorf("no direct connection")
}
