package main

import (
	"errors"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
)

// The probe protocol lets a test choose how this side ends a stream, and see how the other side's end looks from here.
// The first byte is the command. All but r are acknowledged with the same byte, and w and c report the end with
// {"event":"probe","command":C,"bytes":N,"end":"eof"|"reset","code":N}.
//
//	w  read to the end, answer "seen", close
//	c  close this side's half, then read to the end
//	r  reset at once with probeResetCode
//	s  read nothing for five seconds, then reset
const probeID = "/probe/1.0.0"

const probeResetCode network.StreamErrorCode = 0x42

func serveProbe(h host.Host) {
	h.SetStreamHandler(probeID, func(s network.Stream) {
		var command [1]byte
		if _, err := io.ReadFull(s, command[:]); err != nil {
			s.Reset()
			return
		}
		if command[0] == 'r' {
			s.ResetWithError(probeResetCode)
			return
		}
		if _, err := s.Write(command[:]); err != nil {
			s.Reset()
			return
		}
		switch command[0] {
		case 's':
			time.Sleep(5 * time.Second)
			s.Reset()
			return
		case 'c':
			s.CloseWrite()
		}
		n, err := io.Copy(io.Discard, s)
		ev := map[string]any{"event": "probe", "command": string(command[:]), "bytes": n, "end": "eof"}
		if err != nil {
			ev["end"], ev["code"] = "reset", 0
			var reset *network.StreamError
			if errors.As(err, &reset) {
				ev["code"] = uint32(reset.ErrorCode)
			}
			s.Reset()
		} else {
			if command[0] == 'w' {
				s.Write([]byte("seen"))
			}
			s.Close()
		}
		emit(ev)
	})
}
