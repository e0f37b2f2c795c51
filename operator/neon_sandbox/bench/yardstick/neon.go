package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Neon is the part of Neon's API that is needed here.
type Neon struct {
	url, key string
	http     *http.Client
}

func newNeon(url, key string) *Neon {
	return &Neon{
		url: strings.TrimRight(url, "/"),
		key: key,
		http: &http.Client{
			Timeout: time.Minute,
			// Every worker keeps its connection; the default keeps two of them.
			Transport: &http.Transport{MaxIdleConnsPerHost: workers, IdleConnTimeout: 90 * time.Second},
		},
	}
}

// CreatedProject is the answer to a create.
type CreatedProject struct {
	Project struct {
		ID        string `json:"id"`
		RegionID  string `json:"region_id"`
		PgVersion int    `json:"pg_version"`
	} `json:"project"`
	ConnectionURIs []struct {
		URI        string `json:"connection_uri"`
		Parameters struct {
			PoolerHost string `json:"pooler_host"`
		} `json:"connection_parameters"`
	} `json:"connection_uris"`
	Endpoints []struct {
		ID       string `json:"id"`
		BranchID string `json:"branch_id"`
		Host     string `json:"host"`
	} `json:"endpoints"`
}

// CreateProject makes a project with one endpoint and one login.
func (n *Neon) CreateProject(ctx context.Context, project Project) (*CreatedProject, error) {
	made := &CreatedProject{}
	if err := n.send(ctx, http.MethodPost, "/projects", projectBody{project}, made); err != nil {
		return nil, err
	}
	if len(made.ConnectionURIs) == 0 || len(made.Endpoints) == 0 {
		return nil, fmt.Errorf("project %s of Neon has no login or no endpoint", made.Project.ID)
	}
	return made, nil
}

// UpdateProject gives a project other limits. The answer is read whole, as by any client, and not used.
func (n *Neon) UpdateProject(ctx context.Context, id string, limits Limits) error {
	return n.send(ctx, http.MethodPatch, "/projects/"+id, projectBody{limits}, &CreatedProject{})
}

// DeleteProject deletes a project; that it is gone already is no error.
func (n *Neon) DeleteProject(ctx context.Context, id string) error {
	err := n.send(ctx, http.MethodDelete, "/projects/"+id, nil, &CreatedProject{})
	var refused *statusError
	if errors.As(err, &refused) && refused.status == http.StatusNotFound {
		return nil
	}
	return err
}

// statusError is an answer that is no success.
type statusError struct {
	method, path string
	status       int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s %s: Neon answered %d", e.method, e.path, e.status)
}

func (n *Neon) send(ctx context.Context, method, path string, body, answer any) error {
	request, err := n.request(ctx, method, path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	response, err := n.http.Do(request)
	if err != nil {
		return err // it names method and address
	}
	defer response.Body.Close()
	// To its end, also where it is not looked at, so that the connection can be used again.
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s %s: reading the answer: %w", method, path, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return &statusError{method, path, response.StatusCode}
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s %s: reading the answer: %w", method, path, err)
	}
	return nil
}

func (n *Neon) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, n.url+path, reader)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+n.key)
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}
