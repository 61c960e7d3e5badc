//go:build interop

package interop

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestForwarding gets a page through a tunnel that begins at the client, and
// through one that begins at the server, several at once.
func TestForwarding(t *testing.T) {
	page := randomBytes(3 << 20)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(page)
	}))
	t.Cleanup(web.Close)
	target := web.Listener.Addr().(*net.TCPAddr).Port
	forEachPair(t, func(t *testing.T, p pair) {
		s := p.server(t)
		for _, way := range []string{"local", "remote"} {
			t.Run(way, func(t *testing.T) {
				port := freePort(t)
				o := options{noCommand: true}
				spec := fmt.Sprintf("127.0.0.1:%d:127.0.0.1:%d", port, target)
				if way == "local" {
					o.local = spec
				} else {
					o.remote = spec
				}
				stop, done := background(t, p.client.command(t, s, o))
				waitForPort(t, port, done)
				results := make(chan error, 3)
				for range cap(results) {
					go func() { results <- fetch(port, page) }()
				}
				for range cap(results) {
					require.NoError(t, <-results)
				}
				// The port goes with the client.
				stop()
				require.Eventually(t, func() bool {
					conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
					if err == nil {
						conn.Close()
					}
					return err != nil
				}, patience, 50*time.Millisecond)
			})
		}
	})
}

// fetch gets the page from port.
func fetch(port int, page []byte) error {
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr, Timeout: patience}).Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && sha256.Sum256(body) != sha256.Sum256(page) {
		err = fmt.Errorf("got another page, of %d bytes instead of %d", len(body), len(page))
	}
	return err
}
