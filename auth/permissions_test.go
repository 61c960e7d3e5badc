package auth

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCombine(t *testing.T) {
	for _, tt := range []struct {
		name       string
		a, b, want *Permissions
	}{
		{"nothing", nil, nil, nil},
		{"nothing and something", nil, &Permissions{NoPTY: true}, &Permissions{NoPTY: true}},
		{"flags", &Permissions{NoPTY: true, NoUserRC: true}, &Permissions{NoPTY: true, NoX11Forwarding: true, NoAgentForwarding: true, NoPortForwarding: true},
			&Permissions{NoPTY: true, NoUserRC: true, NoX11Forwarding: true, NoAgentForwarding: true, NoPortForwarding: true}},
		{"user verification", &Permissions{VerifyRequired: true}, &Permissions{}, &Permissions{VerifyRequired: true}},
		{"touch", &Permissions{NoTouchRequired: true}, &Permissions{}, &Permissions{}},
		{"no touch", &Permissions{NoTouchRequired: true}, &Permissions{NoTouchRequired: true}, &Permissions{NoTouchRequired: true}},
		{"tun device", &Permissions{Tunnel: "1"}, &Permissions{}, &Permissions{Tunnel: "1"}},
		{"tun device of any", &Permissions{Tunnel: "1"}, &Permissions{Tunnel: "any"}, &Permissions{Tunnel: "1"}},
		{"any tun device", &Permissions{Tunnel: "any"}, &Permissions{}, &Permissions{Tunnel: "any"}},
		{"one command", &Permissions{ForceCommand: "a"}, &Permissions{}, &Permissions{ForceCommand: "a"}},
		{"same command", &Permissions{ForceCommand: "a"}, &Permissions{ForceCommand: "a"}, &Permissions{ForceCommand: "a"}},
		{"environment", &Permissions{Environment: []string{"A=1", "B=2"}}, &Permissions{Environment: []string{"B=2", "C=3"}},
			&Permissions{Environment: []string{"A=1", "B=2", "C=3"}}},
		{"values", &Permissions{Values: map[string]any{"a": 1}}, &Permissions{Values: map[string]any{"a": 1, "b": []int{2}}},
			&Permissions{Values: map[string]any{"a": 1, "b": []int{2}}}},
		{"no limit and some", &Permissions{}, &Permissions{PermitOpen: []string{"a:1"}}, &Permissions{PermitOpen: []string{"a:1"}}},
		{"no limit and none", &Permissions{}, &Permissions{PermitOpen: []string{}}, &Permissions{PermitOpen: []string{}}},
		{"none and some", &Permissions{PermitListen: []string{}}, &Permissions{PermitListen: []string{"1"}}, &Permissions{PermitListen: []string{}}},
		{"disjoint", &Permissions{PermitOpen: []string{"a:1"}}, &Permissions{PermitOpen: []string{"a:2", "b:1"}}, &Permissions{PermitOpen: []string{}}},
		{"patterns", &Permissions{PermitOpen: []string{"A:*", "[::1]:22", "bad"}}, &Permissions{PermitOpen: []string{"*:22", "a:80", "::1:22"}},
			&Permissions{PermitOpen: []string{"a:22", "a:80", "[::1]:22"}}},
		{"patterns for hosts", &Permissions{PermitListen: []string{"*.example:*", "127.0.0.?:80"}}, &Permissions{PermitListen: []string{"a.example:1", "b:1", "*:80"}},
			&Permissions{PermitListen: []string{"a.example:1", "*.example:80", "127.0.0.?:80"}}},
		{"overlapping patterns for hosts", &Permissions{PermitListen: []string{"a*:1"}}, &Permissions{PermitListen: []string{"*b:1"}}, &Permissions{PermitListen: []string{}}},
		{"bare ports", &Permissions{PermitListen: []string{"8080", "localhost:*"}}, &Permissions{PermitListen: []string{"localhost:8080"}},
			&Permissions{PermitListen: []string{"localhost:8080"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, args := range [][2]*Permissions{{tt.a, tt.b}, {tt.b, tt.a}} {
				a, b := args[0].Clone(), args[1].Clone()
				got, err := Combine(a, b)
				require.NoError(t, err)
				if got != nil {
					require.ElementsMatch(t, tt.want.Environment, got.Environment)
					got.Environment = tt.want.Environment
					require.ElementsMatch(t, tt.want.PermitOpen, got.PermitOpen)
					got.PermitOpen = tt.want.PermitOpen
					require.ElementsMatch(t, tt.want.PermitListen, got.PermitListen)
					got.PermitListen = tt.want.PermitListen
				}
				require.Equal(t, tt.want, got)
				require.Equal(t, args[0], a, "arguments do not change")
				require.Equal(t, args[1], b)
			}
		})
	}
}

func TestCombineConflicts(t *testing.T) {
	for name, p := range map[string][2]*Permissions{
		"commands":    {{ForceCommand: "a"}, {ForceCommand: "b"}},
		"tun devices": {{Tunnel: "1"}, {Tunnel: "2"}},
		"environment": {{Environment: []string{"A=1"}}, {Environment: []string{"A=2"}}},
		"values":      {{Values: map[string]any{"a": 1}}, {Values: map[string]any{"a": []int{1}}}},
	} {
		_, err := Combine(p[0], p[1])
		require.ErrorIs(t, err, ErrConflict, name)
	}
}

func TestAllows(t *testing.T) {
	for _, tt := range []struct {
		list         []string
		host         string
		port         uint32
		open, listen bool
	}{
		{nil, "any", 1, true, true},
		{[]string{}, "any", 1, false, false},
		{[]string{"db:5432"}, "db", 5432, true, true},
		{[]string{"db:5432"}, "DB", 5432, true, true},
		{[]string{"db:5432"}, "db", 5433, false, false},
		{[]string{"db:5432"}, "db.", 5432, false, false},
		{[]string{"db:*"}, "db", 0, true, true},
		{[]string{"*:80"}, "x", 80, true, true},
		{[]string{"*:80"}, "x", 81, false, false},
		{[]string{"*:80"}, "x", 65536 + 80, false, false},
		{[]string{"[::1]:80"}, "::1", 80, true, true},
		{[]string{"8080"}, "", 8080, false, true},
		{[]string{"localhost:8080"}, "", 8080, false, false},
		{[]string{"localhost:8080"}, "*", 8080, false, false},
		{[]string{"8080"}, "x", 0, false, false},
		{[]string{"*.example:80"}, "DB.example", 80, false, true},
		{[]string{"*.example:80"}, "example", 80, false, false},
		{[]string{"127.0.0.?:80"}, "127.0.0.1", 80, false, true},
		{[]string{"127.0.0.?:80"}, "127.0.0.11", 80, false, false},
		{[]string{"[*:1]:80"}, "::1", 80, false, true},
		{[]string{"[a]:80", `\a:80`}, "x", 80, false, false},
		{[]string{"", ":", ":80", "db", "db:", "db:x", "db:-1", "db:65536", "::1:80", "[::1:80", "none", "any"}, "db", 80, false, false},
	} {
		p := &Permissions{PermitOpen: tt.list, PermitListen: tt.list}
		require.Equal(t, tt.open, p.AllowsOpen(tt.host, tt.port), "open %+v", tt)
		require.Equal(t, tt.listen, p.AllowsListen(tt.host, tt.port), "listen %+v", tt)
		p.NoPortForwarding = true
		require.False(t, p.AllowsOpen(tt.host, tt.port))
		require.False(t, p.AllowsListen(tt.host, tt.port))
	}
	var none *Permissions
	require.True(t, none.AllowsOpen("x", 1) && none.AllowsListen("x", 1))
}

func TestAllowsTunnel(t *testing.T) {
	require.True(t, (*Permissions)(nil).AllowsTunnel("1"))
	require.True(t, (&Permissions{}).AllowsTunnel("1"))
	require.True(t, (&Permissions{Tunnel: "any"}).AllowsTunnel(""))
	require.True(t, (&Permissions{Tunnel: "1"}).AllowsTunnel("1"))
	require.False(t, (&Permissions{Tunnel: "1"}).AllowsTunnel("2"))
	require.False(t, (&Permissions{Tunnel: "1"}).AllowsTunnel(""), "one that the server picks may be another")
	require.False(t, (&Permissions{NoPortForwarding: true}).AllowsTunnel("1"))
}
