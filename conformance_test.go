package ssh_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConformanceTable: every file and every test that docs/conformance.md
// names is there, and what it says is done is shown by a test.
func TestConformanceTable(t *testing.T) {
	page, err := os.ReadFile("docs/conformance.md")
	require.NoError(t, err)
	quoted := regexp.MustCompile("`([^`]+)`")
	rows := 0
	tests := make(map[string]map[string]bool) // of each package
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| ---") || strings.HasSuffix(line, "| shown by |") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		require.Len(t, cells, 5, "%s", line)
		state, where, shown := strings.TrimSpace(cells[2]), quoted.FindAllStringSubmatch(cells[3], -1), quoted.FindAllStringSubmatch(cells[4], -1)
		rows++
		if state == "no" || strings.HasPrefix(state, "no: ") {
			require.Empty(t, where, "%s", line)
			require.Empty(t, shown, "%s", line)
			continue
		}
		require.Regexp(t, `^(yes|partly: |legacy|named)`, state, "%s", line)
		require.NotEmpty(t, where, "%s", line)
		require.NotEmpty(t, shown, "%s", line)
		for _, m := range where {
			require.FileExists(t, m[1], "%s", line)
		}
		for _, m := range shown {
			dot := strings.LastIndexByte(m[1], '.')
			require.Positive(t, dot, "%s", m[1])
			dir, function := m[1][:dot], m[1][dot+1:]
			if tests[dir] == nil {
				tests[dir] = testsIn(t, dir)
			}
			require.True(t, tests[dir][function], "no test %s", m[1])
		}
	}
	require.Greater(t, rows, 100)
}

// testsIn returns the names of the tests of a package, which is named by its folder.
func testsIn(t *testing.T, dir string) map[string]bool {
	if dir == "ssh" {
		dir = "."
	}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	names := make(map[string]bool)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range testFunction.FindAllSubmatch(source, -1) {
			names[string(m[1])] = true
		}
	}
	return names
}

var testFunction = regexp.MustCompile(`(?m)^func (\w+)\(\w+ \*testing\.[TF]\)`)
