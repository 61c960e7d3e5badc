package channel

import (
	"fmt"
	"strings"

	"github.com/fairlead-go/ssh/wire"
)

// WindowSize is the size of a terminal. Columns and Rows are in characters
// and count where they are not 0; the pixels are those of the drawable area.
// Zero means unknown (RFC 4254 section 6.2).
type WindowSize struct {
	Columns, Rows             uint32
	WidthPixels, HeightPixels uint32
}

// PTY is a pseudo-terminal as a client asks for it (RFC 4254 section 6.2).
type PTY struct {
	Term  string // value of the TERM environment variable, at most 255 bytes
	Size  WindowSize
	Modes TerminalModes
}

const maxTerm = 255

func appendWindowSize(b []byte, s WindowSize) []byte {
	b = wire.AppendUint32(b, s.Columns)
	b = wire.AppendUint32(b, s.Rows)
	b = wire.AppendUint32(b, s.WidthPixels)
	return wire.AppendUint32(b, s.HeightPixels)
}

func readWindowSize(r *wire.Reader) WindowSize {
	return WindowSize{r.Uint32(), r.Uint32(), r.Uint32(), r.Uint32()}
}

func appendPTYRequest(b []byte, p PTY) []byte {
	b = wire.AppendString(b, p.Term)
	b = appendWindowSize(b, p.Size)
	return wire.AppendString(b, p.Modes.Append(nil))
}

func parsePTYRequest(payload []byte) (PTY, error) {
	r := wire.NewReader(payload)
	var p PTY
	p.Term = r.Text()
	p.Size = readWindowSize(&r)
	encoded := r.Bytes()
	if len(p.Term) > maxTerm || strings.ContainsRune(p.Term, 0) {
		r.Fail(wire.ErrInvalid)
	}
	if err := r.End(); err != nil {
		return PTY{}, fmt.Errorf("channel: pty-req: %w", err)
	}
	var err error
	if p.Modes, err = ParseTerminalModes(encoded); err != nil {
		return PTY{}, err
	}
	return p, nil
}

// RFC 4254 section 6.7.
func parseWindowChange(payload []byte) (WindowSize, error) {
	r := wire.NewReader(payload)
	s := readWindowSize(&r)
	if err := r.End(); err != nil {
		return WindowSize{}, fmt.Errorf("channel: window-change: %w", err)
	}
	return s, nil
}
