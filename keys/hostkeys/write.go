package hostkeys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// writeNew makes the file path with the whole of data or not at all, and never
// changes one that exists: the error is then fs.ErrExist. A crash can leave a
// file behind beside it whose name begins with a dot, which nothing reads.
func writeNew(path string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	name := f.Name()
	defer os.Remove(name)
	_, err = f.Write(data)
	if err == nil && mode != 0o600 {
		err = f.Chmod(mode) // whatever the umask is
	}
	if err == nil {
		err = f.Sync() // the content reaches the disk before the name does
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := publish(name, path); err != nil {
		return err
	}
	syncDir(dir)
	return nil
}

// publish gives the finished file at name its place, if that is free.
func publish(name, path string) error {
	err := os.Link(name, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return renameNew(name, path, err) // a file system without hard links
}

// syncDir makes a new name last. It is no error where that cannot be done: the
// key is in use already, and a crash that takes its name takes it whole.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
