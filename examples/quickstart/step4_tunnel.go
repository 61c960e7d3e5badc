package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/fairlead-go/ssh/channel"
)

// tunnel asks a web server that has no address on any network, but is known at
// the far side by a name, for a page.
func (s *story) tunnel(ctx context.Context) error {
	transport := &http.Transport{DialContext: s.client.Dial}
	defer transport.CloseIdleConnections()
	url := "http://" + intranetHost + "/lunch"
	page, err := get(ctx, &http.Client{Transport: transport}, url)
	if err != nil {
		return err
	}
	if page != intranetPage {
		return fmt.Errorf("%s is %q", url, page)
	}
	s.say("%s lives in the far side's memory: there is no way to it but through the", intranetHost)
	s.say("server. An http.Transport with DialContext: client.Dial gets %s:", url)
	s.quote(page)
	return s.showForbiddenDial(ctx)
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", errors.New(response.Status)
	}
	page, err := io.ReadAll(response.Body)
	return string(page), err
}

// showForbiddenDial asks for a tunnel that the server does not permit.
func (s *story) showForbiddenDial(ctx context.Context) error {
	conn, err := s.client.Dial(ctx, "tcp", s.addr)
	if err == nil {
		conn.Close()
		return errors.New("the server forwards to where it should not")
	}
	refusal, ok := errors.AsType[*channel.OpenError](err)
	if !ok || refusal.Reason != channel.AdministrativelyProhibited {
		return err
	}
	s.say("Everything else the server forbids:")
	s.sayError(err)
	return nil
}
