package terminal

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	ioctlGetTermios = unix.TCGETS
	ioctlSetTermios = unix.TCSETS
)

// characters maps the opcodes of control characters to indices of c_cc. VDSUSP
// (11), VFLUSH (15) and VSTATUS (17) are unknown to Linux.
var characters = map[uint8]int{
	1: unix.VINTR, 2: unix.VQUIT, 3: unix.VERASE, 4: unix.VKILL, 5: unix.VEOF, 6: unix.VEOL, 7: unix.VEOL2,
	8: unix.VSTART, 9: unix.VSTOP, 10: unix.VSUSP, 12: unix.VREPRINT, 13: unix.VWERASE, 14: unix.VLNEXT,
	16: unix.VSWTC, 18: unix.VDISCARD,
}

// A field is one of termios' flag words.
type field func(*unix.Termios) *uint32

func input(t *unix.Termios) *uint32   { return &t.Iflag }
func output(t *unix.Termios) *uint32  { return &t.Oflag }
func local(t *unix.Termios) *uint32   { return &t.Lflag }
func control(t *unix.Termios) *uint32 { return &t.Cflag }

// flags maps the opcodes of flags to bits. CS7 and CS8 (90, 91) are values of one field.
var flags = []struct {
	opcode uint8
	word   field
	bit    uint32
}{
	{30, input, unix.IGNPAR}, {31, input, unix.PARMRK}, {32, input, unix.INPCK}, {33, input, unix.ISTRIP},
	{34, input, unix.INLCR}, {35, input, unix.IGNCR}, {36, input, unix.ICRNL}, {37, input, unix.IUCLC},
	{38, input, unix.IXON}, {39, input, unix.IXANY}, {40, input, unix.IXOFF}, {41, input, unix.IMAXBEL},
	{42, input, unix.IUTF8}, // RFC 8160
	{50, local, unix.ISIG}, {51, local, unix.ICANON}, {52, local, unix.XCASE}, {53, local, unix.ECHO},
	{54, local, unix.ECHOE}, {55, local, unix.ECHOK}, {56, local, unix.ECHONL}, {57, local, unix.NOFLSH},
	{58, local, unix.TOSTOP}, {59, local, unix.IEXTEN}, {60, local, unix.ECHOCTL}, {61, local, unix.ECHOKE},
	{62, local, unix.PENDIN},
	{70, output, unix.OPOST}, {71, output, unix.OLCUC}, {72, output, unix.ONLCR}, {73, output, unix.OCRNL},
	{74, output, unix.ONOCR}, {75, output, unix.ONLRET},
	{92, control, unix.PARENB}, {93, control, unix.PARODD},
}

const opCS7, opCS8 = 90, 91

// speeds maps Linux' speed codes to bits per second.
var speeds = map[uint32]uint32{
	unix.B50: 50, unix.B75: 75, unix.B110: 110, unix.B134: 134, unix.B150: 150, unix.B200: 200, unix.B300: 300,
	unix.B600: 600, unix.B1200: 1200, unix.B1800: 1800, unix.B2400: 2400, unix.B4800: 4800, unix.B9600: 9600,
	unix.B19200: 19200, unix.B38400: 38400, unix.B57600: 57600, unix.B115200: 115200, unix.B230400: 230400,
	unix.B460800: 460800, unix.B500000: 500000, unix.B576000: 576000, unix.B921600: 921600, unix.B1000000: 1000000,
	unix.B1152000: 1152000, unix.B1500000: 1500000, unix.B2000000: 2000000, unix.B2500000: 2500000,
	unix.B3000000: 3000000, unix.B3500000: 3500000, unix.B4000000: 4000000,
}

// Modes returns the modes of the terminal f, for a pty-req.
func Modes(f *os.File) ([]Mode, error) {
	t, err := getTermios(f)
	if err != nil {
		return nil, err
	}
	return encode(t), nil
}

// ApplyModes sets modes on the terminal f, as a server does on a new pty.
// Opcodes that are not known here are ignored (RFC 4254 section 8).
func ApplyModes(f *os.File, modes []Mode) error {
	t, err := getTermios(f)
	if err != nil {
		return err
	}
	decode(t, modes)
	return setTermios(f, t)
}

func encode(t *unix.Termios) []Mode {
	baud, ok := speeds[t.Cflag&unix.CBAUD]
	if !ok {
		baud = 9600
	}
	modes := []Mode{{opISpeed, baud}, {opOSpeed, baud}}
	for op := uint8(1); op <= 18; op++ {
		i, known := characters[op]
		if !known {
			continue
		}
		v := uint32(t.Cc[i])
		if v == 0 { // Linux' _POSIX_VDISABLE
			v = noCharacter
		}
		modes = append(modes, Mode{op, v})
	}
	for _, f := range flags {
		modes = append(modes, Mode{f.opcode, truth(*f.word(t)&f.bit != 0)})
	}
	return append(modes,
		Mode{opCS7, truth(t.Cflag&unix.CSIZE == unix.CS7)},
		Mode{opCS8, truth(t.Cflag&unix.CSIZE == unix.CS8)})
}

func decode(t *unix.Termios, modes []Mode) {
	for _, m := range modes {
		switch m.Opcode {
		case opCS7, opCS8:
			if m.Value != 0 {
				size := uint32(unix.CS7)
				if m.Opcode == opCS8 {
					size = unix.CS8
				}
				t.Cflag = t.Cflag&^unix.CSIZE | size
			}
			continue
		case opISpeed:
			continue // Linux has one speed for both ways
		case opOSpeed:
			for code, baud := range speeds {
				if baud == m.Value {
					t.Cflag = t.Cflag&^unix.CBAUD | code
				}
			}
			continue
		}
		if i, ok := characters[m.Opcode]; ok {
			c := uint8(m.Value)
			if m.Value >= noCharacter {
				c = 0
			}
			t.Cc[i] = c
			continue
		}
		for _, f := range flags {
			if f.opcode != m.Opcode {
				continue
			}
			if w := f.word(t); m.Value != 0 {
				*w |= f.bit
			} else {
				*w &^= f.bit
			}
		}
	}
}

func truth(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}
