package terminal

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What one terminal's modes say, another takes on.
func TestModesRoundTrip(t *testing.T) {
	_, from := openPTY(t)
	_, to := openPTY(t)
	want, err := unix.IoctlGetTermios(int(from.Fd()), unix.TCGETS)
	require.NoError(t, err)
	want.Iflag ^= unix.IXON | unix.IUTF8 | unix.ICRNL
	want.Oflag ^= unix.ONLCR
	want.Lflag ^= unix.ECHO | unix.ECHOCTL | unix.TOSTOP
	want.Cc[unix.VERASE] = 8
	want.Cc[unix.VINTR] = 0 // switched off
	want.Cflag = want.Cflag&^unix.CBAUD | unix.B9600
	require.NoError(t, unix.IoctlSetTermios(int(from.Fd()), unix.TCSETS, want))

	modes, err := Modes(from)
	require.NoError(t, err)
	require.Contains(t, modes, Mode{1, 255})
	require.Contains(t, modes, Mode{3, 8})
	require.Contains(t, modes, Mode{129, 9600})
	require.Contains(t, modes, Mode{91, 1})
	require.NoError(t, ApplyModes(to, modes))
	got, err := unix.IoctlGetTermios(int(to.Fd()), unix.TCGETS)
	require.NoError(t, err)
	require.Equal(t, want.Iflag, got.Iflag)
	require.Equal(t, want.Oflag, got.Oflag)
	require.Equal(t, want.Lflag, got.Lflag)
	require.Equal(t, want.Cflag&(unix.CBAUD|unix.CSIZE), got.Cflag&(unix.CBAUD|unix.CSIZE))
	require.Equal(t, want.Cc[:unix.VEOL2+1], got.Cc[:unix.VEOL2+1])
}

func TestModesEachFlag(t *testing.T) {
	for _, f := range flags {
		var tio unix.Termios
		decode(&tio, []Mode{{f.opcode, 1}})
		require.Equal(t, f.bit, *f.word(&tio)&f.bit, "opcode %d", f.opcode)
		require.Contains(t, encode(&tio), Mode{f.opcode, 1})
		decode(&tio, []Mode{{f.opcode, 0}})
		require.Zero(t, *f.word(&tio), "opcode %d", f.opcode)
	}
}

func TestModesUnknown(t *testing.T) {
	tio := unix.Termios{Cflag: unix.CS8}
	was := tio
	decode(&tio, []Mode{{11, 3}, {200, 1}, {90, 0}, {91, 0}, {128, 300}, {129, 7}, {0, 1}, {255, 1}})
	require.Equal(t, was, tio)
	decode(&tio, []Mode{{90, 1}})
	require.EqualValues(t, unix.CS7, tio.Cflag&unix.CSIZE)
	decode(&tio, []Mode{{1, 1 << 31}})
	require.Zero(t, tio.Cc[unix.VINTR])
}
