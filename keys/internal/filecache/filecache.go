// Package filecache keeps what a file was parsed to until the file changes.
package filecache

import (
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"
)

// A File is a file that is parsed again when it has changed. Its methods may be
// called from several goroutines.
type File[T any] struct {
	path  string
	parse func(r io.Reader) (T, error)
	last  atomic.Pointer[content[T]]
}

// content is what a file held. It never changes.
type content[T any] struct {
	info  fs.FileInfo
	read  time.Time
	value T
}

// New returns a File that reads path with parse. What parse returns is shared
// by all who ask, so it must not be changed. Nothing is read yet.
func New[T any](path string, parse func(r io.Reader) (T, error)) *File[T] {
	return &File[T]{path: path, parse: parse}
}

// Path returns the file's path.
func (f *File[T]) Path() string { return f.path }

// racyTime is how close to a file's last change it must have been read for
// a second change to have left no trace in its time stamp.
const racyTime = 2 * time.Second

func (c *content[T]) isOf(info fs.FileInfo) bool {
	return os.SameFile(c.info, info) && c.info.Size() == info.Size() && c.info.ModTime().Equal(info.ModTime()) &&
		c.read.Sub(info.ModTime()) > racyTime
}

// Load returns what the file holds now. A failure is never kept: the next call
// tries again. Errors of the file's own are those of package os.
func (f *File[T]) Load() (value T, err error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return value, err
	}
	if c := f.last.Load(); c != nil && c.isOf(info) {
		return c.value, nil
	}
	r, err := os.Open(f.path)
	if err != nil {
		return value, err
	}
	defer r.Close()
	c := &content[T]{read: time.Now()}
	if c.info, err = r.Stat(); err != nil {
		return value, err
	}
	if c.value, err = f.parse(r); err != nil {
		return value, err
	}
	f.last.Store(c)
	return c.value, nil
}
