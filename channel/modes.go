package channel

import (
	"fmt"

	"github.com/fairlead-go/ssh/wire"
)

// A TerminalOpcode names one terminal mode (RFC 4254 section 8).
type TerminalOpcode uint8

// Terminal mode opcodes, by their names in RFC 4254 section 8 and RFC 8160.
const (
	TTY_OP_END    TerminalOpcode = 0 // ends the encoded modes
	VINTR         TerminalOpcode = 1
	VQUIT         TerminalOpcode = 2
	VERASE        TerminalOpcode = 3
	VKILL         TerminalOpcode = 4
	VEOF          TerminalOpcode = 5
	VEOL          TerminalOpcode = 6
	VEOL2         TerminalOpcode = 7
	VSTART        TerminalOpcode = 8
	VSTOP         TerminalOpcode = 9
	VSUSP         TerminalOpcode = 10
	VDSUSP        TerminalOpcode = 11
	VREPRINT      TerminalOpcode = 12
	VWERASE       TerminalOpcode = 13
	VLNEXT        TerminalOpcode = 14
	VFLUSH        TerminalOpcode = 15
	VSWTCH        TerminalOpcode = 16
	VSTATUS       TerminalOpcode = 17
	VDISCARD      TerminalOpcode = 18
	IGNPAR        TerminalOpcode = 30
	PARMRK        TerminalOpcode = 31
	INPCK         TerminalOpcode = 32
	ISTRIP        TerminalOpcode = 33
	INLCR         TerminalOpcode = 34
	IGNCR         TerminalOpcode = 35
	ICRNL         TerminalOpcode = 36
	IUCLC         TerminalOpcode = 37
	IXON          TerminalOpcode = 38
	IXANY         TerminalOpcode = 39
	IXOFF         TerminalOpcode = 40
	IMAXBEL       TerminalOpcode = 41
	IUTF8         TerminalOpcode = 42 // RFC 8160
	ISIG          TerminalOpcode = 50
	ICANON        TerminalOpcode = 51
	XCASE         TerminalOpcode = 52
	ECHO          TerminalOpcode = 53
	ECHOE         TerminalOpcode = 54
	ECHOK         TerminalOpcode = 55
	ECHONL        TerminalOpcode = 56
	NOFLSH        TerminalOpcode = 57
	TOSTOP        TerminalOpcode = 58
	IEXTEN        TerminalOpcode = 59
	ECHOCTL       TerminalOpcode = 60
	ECHOKE        TerminalOpcode = 61
	PENDIN        TerminalOpcode = 62
	OPOST         TerminalOpcode = 70
	OLCUC         TerminalOpcode = 71
	ONLCR         TerminalOpcode = 72
	OCRNL         TerminalOpcode = 73
	ONOCR         TerminalOpcode = 74
	ONLRET        TerminalOpcode = 75
	CS7           TerminalOpcode = 90
	CS8           TerminalOpcode = 91
	PARENB        TerminalOpcode = 92
	PARODD        TerminalOpcode = 93
	TTY_OP_ISPEED TerminalOpcode = 128 // bits per second
	TTY_OP_OSPEED TerminalOpcode = 129 // bits per second

	// firstUndefinedMode and all above it have no argument length, so that
	// parsing stops there (RFC 4254 section 8).
	firstUndefinedMode TerminalOpcode = 160
)

var terminalOpcodeNames = [firstUndefinedMode]string{
	TTY_OP_END: "TTY_OP_END",
	VINTR:      "VINTR", VQUIT: "VQUIT", VERASE: "VERASE", VKILL: "VKILL", VEOF: "VEOF",
	VEOL: "VEOL", VEOL2: "VEOL2", VSTART: "VSTART", VSTOP: "VSTOP", VSUSP: "VSUSP",
	VDSUSP: "VDSUSP", VREPRINT: "VREPRINT", VWERASE: "VWERASE", VLNEXT: "VLNEXT",
	VFLUSH: "VFLUSH", VSWTCH: "VSWTCH", VSTATUS: "VSTATUS", VDISCARD: "VDISCARD",
	IGNPAR: "IGNPAR", PARMRK: "PARMRK", INPCK: "INPCK", ISTRIP: "ISTRIP", INLCR: "INLCR",
	IGNCR: "IGNCR", ICRNL: "ICRNL", IUCLC: "IUCLC", IXON: "IXON", IXANY: "IXANY",
	IXOFF: "IXOFF", IMAXBEL: "IMAXBEL", IUTF8: "IUTF8",
	ISIG: "ISIG", ICANON: "ICANON", XCASE: "XCASE", ECHO: "ECHO", ECHOE: "ECHOE",
	ECHOK: "ECHOK", ECHONL: "ECHONL", NOFLSH: "NOFLSH", TOSTOP: "TOSTOP", IEXTEN: "IEXTEN",
	ECHOCTL: "ECHOCTL", ECHOKE: "ECHOKE", PENDIN: "PENDIN",
	OPOST: "OPOST", OLCUC: "OLCUC", ONLCR: "ONLCR", OCRNL: "OCRNL", ONOCR: "ONOCR",
	ONLRET: "ONLRET", CS7: "CS7", CS8: "CS8", PARENB: "PARENB", PARODD: "PARODD",
	TTY_OP_ISPEED: "TTY_OP_ISPEED", TTY_OP_OSPEED: "TTY_OP_OSPEED",
}

// String returns the RFC's name of the opcode, or its number where the RFC
// has no name for it.
func (op TerminalOpcode) String() string {
	if op < firstUndefinedMode && terminalOpcodeNames[op] != "" {
		return terminalOpcodeNames[op]
	}
	return fmt.Sprintf("terminal opcode %d", uint8(op))
}

// A TerminalMode gives one terminal mode its value: a character for the
// opcodes that begin with V (255 disables it), a speed in bits per second for
// TTY_OP_ISPEED and TTY_OP_OSPEED, and 0 or 1 for all others.
type TerminalMode struct {
	Opcode TerminalOpcode
	Value  uint32
}

// TerminalModes are the modes that a client asks its pseudo-terminal to start
// in, in the order of the request. Where an opcode is there twice, the later
// one counts. Nil leaves everything to the server.
type TerminalModes []TerminalMode

// MaxTerminalModes is how many modes a pty-req may hold. The RFC defines 55.
const MaxTerminalModes = 256

// Get returns the value of the mode, and whether the client gave one.
func (m TerminalModes) Get(op TerminalOpcode) (value uint32, ok bool) {
	for _, mode := range m {
		if mode.Opcode == op {
			value, ok = mode.Value, true
		}
	}
	return value, ok
}

// Append appends the modes as they stand inside a pty-req request, closed by
// TTY_OP_END. It leaves out opcodes that cannot be encoded: 0, and 160 to 255.
func (m TerminalModes) Append(b []byte) []byte {
	for _, mode := range m {
		if mode.Opcode == TTY_OP_END || mode.Opcode >= firstUndefinedMode {
			continue
		}
		b = append(b, byte(mode.Opcode))
		b = wire.AppendUint32(b, mode.Value)
	}
	return append(b, byte(TTY_OP_END))
}

// ParseTerminalModes decodes encoded terminal modes (RFC 4254 section 8). The
// first opcode from 160 to 255 ends them, whatever follows it. Data that ends
// between two modes, without TTY_OP_END, is accepted: some clients send an
// empty string.
func ParseTerminalModes(encoded []byte) (TerminalModes, error) {
	var modes TerminalModes
	r := wire.NewReader(encoded)
	for r.Len() > 0 {
		op := TerminalOpcode(r.Byte())
		if op >= firstUndefinedMode {
			return modes, nil
		}
		if op == TTY_OP_END {
			break
		}
		if len(modes) == MaxTerminalModes {
			return nil, fmt.Errorf("channel: more than %d terminal modes: %w", MaxTerminalModes, wire.ErrInvalid)
		}
		modes = append(modes, TerminalMode{op, r.Uint32()})
	}
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("channel: terminal modes: %w", err)
	}
	return modes, nil
}
