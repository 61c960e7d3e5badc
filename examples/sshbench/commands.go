package main

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// chunk is how many bytes every side hands over at once.
const chunk = 64 << 10

// commands are the programs that our servers run.
var commands = map[string]func(s io.ReadWriter, argument string) error{
	"source": source,
	"sink":   func(s io.ReadWriter, _ string) error { return sink(s) },
	"echo":   func(s io.ReadWriter, _ string) error { return echo(s) },
	"true":   func(io.ReadWriter, string) error { return nil },
	"usage":  tellUsage,
}

// execute runs a command line and returns its exit status.
func execute(s io.ReadWriter, line string) int {
	name, argument, _ := strings.Cut(line, " ")
	command, ok := commands[name]
	if !ok {
		return 127 // as a shell
	}
	if command(s, argument) != nil {
		return 1
	}
	return 0
}

// source writes as many zero bytes as its argument says.
func source(s io.ReadWriter, argument string) error {
	n, err := strconv.ParseInt(argument, 10, 64)
	if err != nil {
		return err
	}
	return writeZeros(s, n)
}

func writeZeros(w io.Writer, n int64) error {
	zeros := make([]byte, chunk)
	for n > 0 {
		if _, err := w.Write(zeros[:min(n, chunk)]); err != nil {
			return err
		}
		n -= chunk
	}
	return nil
}

// sink reads to EOF. Not with io.Copy, whose buffers differ from one kind of
// writer to the other.
func sink(r io.Reader) error {
	_, err := discard(r, -1)
	return err
}

// discard reads n bytes, or to EOF where n is negative, and says how many.
func discard(r io.Reader, n int64) (int64, error) {
	buf := make([]byte, chunk)
	var done int64
	for n < 0 || done < n {
		b := buf
		if n >= 0 {
			b = buf[:min(n-done, chunk)]
		}
		m, err := r.Read(b)
		done += int64(m)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && n >= 0 && done < n:
			return done, io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			return done, nil
		default:
			return done, err
		}
	}
	return done, nil
}

// echo writes what it reads.
func echo(s io.ReadWriter) error {
	buf := make([]byte, chunk)
	for {
		n, err := s.Read(buf)
		if n > 0 {
			if _, err := s.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// tellUsage writes what this process has used; with the argument "settled" once
// its garbage is collected.
func tellUsage(s io.ReadWriter, argument string) error {
	if argument == settledArgument {
		settle()
	}
	return json.NewEncoder(s).Encode(ownUsage())
}
