package ssh_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/fairlead-go/ssh"

// mayImport is which of the module's packages each may import, by layer, or one
// folder of it; tests may also import what stands in testsMayImport.
// Subpackages share their parent's row.
var mayImport = map[string][]string{
	"wire":      nil,
	"kex":       {"wire"},
	"keys":      {"wire"},
	"transport": {"kex", "keys", "wire", "internal/backoff"},
	"auth":      {"keys", "wire"},
	"channel":   {"wire", "internal/backoff"},
	"internal":  {"wire"},
	".":         {"wire", "kex", "keys", "transport", "auth", "channel"},
	"fuzz":      {"", "wire", "kex", "keys", "transport", "auth", "channel", "internal"},
}

var testsMayImport = []string{"internal"}

// TestImportLayering reads every import of the root module and fails on an
// edge that the table does not have, on any use of x/crypto/ssh, and on
// modules that the library may not depend on.
func TestImportLayering(t *testing.T) {
	allowedModules := []string{"golang.org/x/crypto", "golang.org/x/sys"}
	testModules := []string{"github.com/stretchr/testify", "golang.org/x/net"}
	files := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || isModule(name)):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		files++
		layer, _, _ := strings.Cut(filepath.ToSlash(filepath.Dir(name)), "/")
		allowed, known := mayImport[layer]
		require.True(t, known, "%s is in no layer", name)
		test := strings.HasSuffix(name, "_test.go")
		if test {
			allowed = slices.Concat(allowed, testsMayImport)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			require.False(t, imported == "golang.org/x/crypto/ssh" || strings.HasPrefix(imported, "golang.org/x/crypto/ssh/"),
				"%s imports %s", name, imported)
			if rest, ours := strings.CutPrefix(imported, module); ours {
				folder := strings.TrimPrefix(rest, "/")
				target, _, _ := strings.Cut(folder, "/")
				require.True(t, target == layer || test && layer == "." && target == "" || slices.Contains(allowed, target) || slices.Contains(allowed, folder),
					"%s imports %s", name, imported)
				continue
			}
			if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
				continue // standard library
			}
			modules := allowedModules
			if layer == "keys" {
				modules = append(slices.Clone(modules), "filippo.io/mldsa")
			}
			if test {
				modules = slices.Concat(modules, testModules)
			}
			require.True(t, slices.ContainsFunc(modules, func(m string) bool {
				return imported == m || strings.HasPrefix(imported, m+"/")
			}), "%s imports %s", name, path.Clean(imported))
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, files, 50)
}

// isModule reports whether a folder is a module of its own.
func isModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}
