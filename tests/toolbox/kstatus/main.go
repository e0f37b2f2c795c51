// kstatus reads Kubernetes objects as JSON, one after another, and prints for each one line of JSON:
// the status that Flux, Argo CD's kstatus mode and `kubectl wait` of cli-utils would compute.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	if err := answer(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer(in io.Reader, out io.Writer) error {
	objects, results := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var content json.RawMessage
		if err := objects.Decode(&content); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		// Its own reading of JSON: whole numbers are int64, as kstatus expects them.
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(content); err != nil {
			return err
		}
		result, err := status.Compute(object)
		if err != nil {
			return err
		}
		if err := results.Encode(map[string]string{"status": result.Status.String(), "message": result.Message}); err != nil {
			return err
		}
	}
}
