package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/peer"
)

// series is --do closest with --count: many lookups in one process, --window of them under way at once.
type series struct {
	d   *dht.IpfsDHT
	key []byte
	o   *options
}

// numbered is the key of the lookup of that number, the same in all peers of the command line.
func (s *series) numbered(i int) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(append([]byte{}, s.key...), uint32(i)))
	return string(sum[:])
}

// warm does --warm lookups, of the numbers behind --count.
func (s *series) warm(ctx context.Context) {
	s.lookUp(ctx, s.o.count, s.o.warm)
}

// run does --count lookups; it returns the peers of the last, the seconds of each, and the first of the errors.
func (s *series) run(ctx context.Context) ([]peer.ID, []float64, error) {
	return s.lookUp(ctx, 0, s.o.count)
}

func (s *series) lookUp(ctx context.Context, first, n int) ([]peer.ID, []float64, error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	var last []peer.ID
	each, errs := make([]float64, n), make([]error, n)
	for range min(max(s.o.window, 1), n) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				start := time.Now()
				found, err := s.d.GetClosestPeers(ctx, s.numbered(first+i))
				each[i], errs[i] = time.Since(start).Seconds(), err
				if i == n-1 {
					last = found
				}
			}
		}()
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return last, each, err
		}
	}
	return last, each, nil
}
