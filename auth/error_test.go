package auth

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// TestDefect_ErrorTextsAreBounded: a peer that sends names of 200 KB does not
// fill a log with them.
func TestDefect_ErrorTextsAreBounded(t *testing.T) {
	const most = 4 << 10
	long := strings.Repeat("\x01", 200_000)
	request := func(user, service, method string, fields []byte) func(*raw) {
		return func(r *raw) {
			m := userauthRequest{user: user, service: service, method: method, fields: fields}
			r.send(m.append(nil))
		}
	}
	algorithm := publicKeyFields{algorithm: long, blob: []byte("x")}
	for name, attack := range map[string]struct {
		fresh bool
		send  func(*raw)
	}{
		"first service": {true, func(r *raw) {
			m := serviceMessage{wire.MsgServiceRequest, long}
			r.send(m.append(nil))
		}},
		"service": {false, request("bob", long, MethodNone, nil)},
		"user": {false, func(r *raw) {
			request("bob", serviceConnection, MethodNone, nil)(r)
			r.failure()
			request(long, serviceConnection, MethodNone, nil)(r)
		}},
		"algorithm": {false, request("bob", serviceConnection, MethodPublicKey, algorithm.append(nil))},
	} {
		t.Run(name, func(t *testing.T) {
			logged := 0
			r, end := serve(t, attack.fresh, &ServerConfig{PublicKey: keyIs(), FailureDelay: -1, Log: func(_ *Attempt, err error) {
				logged = max(logged, len(err.Error()))
			}})
			attack.send(r)
			r.end()
			_, err := end()
			require.Less(t, len(err.Error()), most)
			require.Less(t, logged, most)
		})
	}
	err := &Error{User: "bob", Allowed: []string{long}}
	require.Less(t, len(err.Error()), 2*most)
}
