package terminal

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, slave, err := pty.Open()
	require.NoError(t, err)
	t.Cleanup(func() { master.Close(); slave.Close() })
	return master, slave
}

func TestEscapes(t *testing.T) {
	errDone := errors.New("done")
	for _, c := range []struct{ in, out, commands string }{
		{"", "", ""},
		{"hello", "hello", ""},
		{"~?ls\r", "ls\r", "?"},     // the beginning counts as a line's
		{"a~?\r~?b", "a~?\rb", "?"}, // only at a line's beginning
		{"~~.\r", "~.\r", ""},       // doubled: one is sent, and the line has begun
		{"~~~.", "~~.", ""},         //
		{"~x\n", "~x\n", ""},        // not a command: both are sent
		{"~?~?~#", "", "??#"},       // still at the beginning after a command
		{"a\n~\x1ab\r~B~R~v~V~&~C", "a\nb\r", "\x1aBRvV&C"}, //
		{"a\r~.never", "a\r", "."},
		{"~", "", ""},
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "data with EOF": iotest.DataErrReader,
		} {
			var got string
			r := NewEscapeReader(wrap(strings.NewReader(c.in)), '~', func(k Command) error {
				got += string(rune(k))
				if k == Disconnect {
					return errDone
				}
				return nil
			})
			out, err := io.ReadAll(r)
			if strings.Contains(c.commands, ".") {
				require.ErrorIs(t, err, errDone, name)
			} else {
				require.NoError(t, err, name)
			}
			require.Equal(t, c.out, string(out), "%s: %q", name, c.in)
			require.Equal(t, c.commands, got, "%s: %q", name, c.in)
		}
	}
}

// One byte of room still gets everything, though two become ready at once.
func TestEscapeSmallBuffer(t *testing.T) {
	r := NewEscapeReader(strings.NewReader("~x~y\r~z"), '~', nil)
	var out []byte
	for {
		var p [1]byte
		n, err := r.Read(p[:])
		out = append(out, p[:n]...)
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}
	require.Equal(t, "~x~y\r~z", string(out))
}

func TestHelpText(t *testing.T) {
	require.Contains(t, HelpText('~'), " ~.   - terminate connection\r\n")
	require.Contains(t, HelpText(1), " ^A.   - terminate connection\r\n")
}

func TestSanitize(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\n":       "plain\ttext\n",
		"a\r\nb":              "a\nb",
		"a\rb":                `a\015b`,
		"\x1b[31mred":         `\033[31mred`,
		"bad \xff byte":       `bad \377 byte`,
		"grüße 世界":            "grüße 世界",
		"c1 \u009b7m":         `c1 \302\2337m`,
		"rtl \u202e override": `rtl \342\200\256 override`,
		"\x7f\x00":            `\177\000`,
	} {
		require.Equal(t, want, Sanitize(in))
	}
}

func TestSizeAndWatch(t *testing.T) {
	_, slave := openPTY(t)
	require.True(t, Is(slave))
	require.False(t, Is(nil))
	require.NoError(t, SetSize(slave, Size{132, 43, 1000, 1 << 20}))
	s, err := GetSize(slave)
	require.NoError(t, err)
	require.Equal(t, Size{132, 43, 1000, 65535}, s)

	sizes := make(chan Size, 4)
	stop := WatchSize(t.Context(), slave, func(s Size) { sizes <- s })
	require.NoError(t, SetSize(slave, Size{Columns: 80, Rows: 24}))
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGWINCH))
	require.Equal(t, Size{Columns: 80, Rows: 24}, <-sizes)
	stop()
	require.Empty(t, sizes)
}

func TestRaw(t *testing.T) {
	_, slave := openPTY(t)
	before, err := Modes(slave)
	require.NoError(t, err)
	raw, err := MakeRaw(slave)
	require.NoError(t, err)
	during, err := Modes(slave)
	require.NoError(t, err)
	require.NotEqual(t, before, during)
	require.NoError(t, raw.Restore())
	require.NoError(t, raw.Restore())
	after, err := Modes(slave)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.NoError(t, raw.Again())
	require.NoError(t, raw.Again())
	again, err := Modes(slave)
	require.NoError(t, err)
	require.Equal(t, during, again)
	require.NoError(t, (*Raw)(nil).Restore())
}

func TestAsk(t *testing.T) {
	master, slave := openPTY(t)
	p := &Prompter{TTY: slave.Name(), Getenv: func(string) string { return "" }}
	screen := bufio.NewReader(master)
	ask := func(echo bool, typed string) (answer, shown string) {
		t.Helper()
		done := make(chan struct{})
		go func() {
			defer close(done)
			prompt := make([]byte, len("Question? "))
			_, _ = io.ReadFull(screen, prompt)
			_, _ = io.WriteString(master, typed)
			shown, _ = screen.ReadString('\n')
		}()
		answer, err := p.Ask(t.Context(), "Question? ", echo)
		require.NoError(t, err)
		<-done
		return answer, shown
	}
	answer, shown := ask(false, "secret\r")
	require.Equal(t, "secret", answer)
	require.Equal(t, "\r\n", shown, "the password must not be echoed")
	answer, shown = ask(true, "name\r")
	require.Equal(t, "name", answer)
	require.Equal(t, "name\r\n", shown)
}

func TestAskEndsWithContext(t *testing.T) {
	_, slave := openPTY(t)
	before, err := Modes(slave)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	p := &Prompter{TTY: slave.Name(), Getenv: func(string) string { return "" }}
	_, err = p.Ask(ctx, "? ", false)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	after, err := Modes(slave)
	require.NoError(t, err)
	require.Equal(t, before, after, "echo must be back")
}

// A signal at a password prompt gives the echo back before the program ends.
func TestAskInterrupted(t *testing.T) {
	master, slave := openPTY(t)
	before, err := Modes(slave)
	require.NoError(t, err)
	go func() {
		prompt := make([]byte, 2)
		_, _ = io.ReadFull(master, prompt)
		_ = syscall.Kill(os.Getpid(), syscall.SIGHUP)
	}()
	p := &Prompter{TTY: slave.Name(), Getenv: func(string) string { return "" }}
	_, err = p.Ask(t.Context(), "? ", false)
	require.ErrorIs(t, err, ErrInterrupted)
	after, err := Modes(slave)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestAskProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "askpass")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\necho \"got: $1\"\n"), 0o700))
	env := map[string]string{"SSH_ASKPASS": program, "SSH_ASKPASS_REQUIRE": "force"}
	p := &Prompter{TTY: "/nonexistent", Getenv: func(n string) string { return env[n] }}
	answer, err := p.Ask(t.Context(), "Password: ", false)
	require.NoError(t, err)
	require.Equal(t, "got: Password: ", answer)

	env["SSH_ASKPASS_REQUIRE"] = "never"
	_, err = p.Ask(t.Context(), "Password: ", false)
	require.ErrorIs(t, err, ErrNoTerminal)

	delete(env, "SSH_ASKPASS_REQUIRE") // only a graphical session uses the program by itself
	_, err = p.Ask(t.Context(), "Password: ", false)
	require.ErrorIs(t, err, ErrNoTerminal)
	env["DISPLAY"] = ":0"
	_, err = p.Ask(t.Context(), "Password: ", false)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nexit 1\n"), 0o700))
	_, err = p.Ask(t.Context(), "Password: ", false)
	require.Error(t, err)
}

func TestConfirmHostKey(t *testing.T) {
	dir := t.TempDir()
	program, answers := filepath.Join(dir, "askpass"), filepath.Join(dir, "answers")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nhead -n1 "+answers+"; sed -i 1d "+answers+"\n"), 0o700))
	env := map[string]string{"SSH_ASKPASS": program, "SSH_ASKPASS_REQUIRE": "force"}
	p := &Prompter{Getenv: func(n string) string { return env[n] }}
	for typed, want := range map[string]bool{
		"yes\n": true, "YES \n": true, "y\nmaybe\nno\n": false, "SHA256:x\nSHA256:abc\n": true, "No\n": false,
	} {
		require.NoError(t, os.WriteFile(answers, []byte(typed), 0o600))
		ok, err := p.ConfirmHostKey(t.Context(), "Are you sure? ", "SHA256:abc")
		require.NoError(t, err)
		require.Equal(t, want, ok, "%q", typed)
	}
}
