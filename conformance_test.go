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
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| ---") || strings.HasSuffix(line, "| shown by |") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		require.Len(t, cells, 5, "%s", line)
		state, where, tests := strings.TrimSpace(cells[2]), quoted.FindAllStringSubmatch(cells[3], -1), quoted.FindAllStringSubmatch(cells[4], -1)
		rows++
		if state == "no" || strings.HasPrefix(state, "no: ") {
			require.Empty(t, where, "%s", line)
			require.Empty(t, tests, "%s", line)
			continue
		}
		require.Regexp(t, `^(yes|partly: |legacy|named)`, state, "%s", line)
		require.NotEmpty(t, where, "%s", line)
		require.NotEmpty(t, tests, "%s", line)
		for _, m := range where {
			require.FileExists(t, m[1], "%s", line)
		}
		for _, m := range tests {
			require.True(t, hasTest(t, m[1]), "no test %s", m[1])
		}
	}
	require.Greater(t, rows, 100)
}

// hasTest tells whether a test is there that is named by its package and
// function.
func hasTest(t *testing.T, name string) bool {
	dot := strings.LastIndexByte(name, '.')
	require.Positive(t, dot, "%s", name)
	dir, function := name[:dot], name[dot+1:]
	if dir == "ssh" {
		dir = "."
	}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	pattern := regexp.MustCompile(`(?m)^func ` + regexp.QuoteMeta(function) + `\(\w+ \*testing\.[TF]\)`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		if pattern.Match(source) {
			return true
		}
	}
	return false
}
