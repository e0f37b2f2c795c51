// Yardstick is what the benchmarks hold the operator against: what an ordinary controller in Go would do of its work.
//
// It gives a tenant a project with the limits of its tier, and a Secret; it follows the tier, and deletes the project
// with the tenant. A create takes four writes, a change of the tier one, a delete one.
//
// NEVER USE IT FOR ANYTHING BUT A MEASUREMENT. It recovers from nothing: where the answer to a create is lost, the
// tenant never gets a database, and a project stays that is billed and that nobody knows of. It has no budget of
// requests, no brake on deletions, no adoption, no rollouts, no look at drift and no leader election, and it does not
// ask whether a tenant's data is to be kept.
package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	// Errors alone, since what is logged is measured, too.
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	settings, err := readSettings()
	if err != nil {
		return fmt.Errorf("reading the settings: %w", err)
	}
	mgr, err := newManager(settings.kubeconfig)
	if err != nil {
		return fmt.Errorf("preparing the manager: %w", err)
	}
	ctx := ctrl.SetupSignalHandler()
	reconciler := newReconciler(mgr.GetClient(), newNeon(settings.apiURL, settings.apiKey), settings.cluster)
	if err := reconciler.setup(ctx, mgr); err != nil {
		return fmt.Errorf("preparing the controller: %w", err)
	}
	return mgr.Start(ctx)
}

// settings are those of the operator's variables that matter here; it is started in the operator's place.
type settings struct {
	kubeconfig, apiURL, apiKey, cluster string
}

func readSettings() (settings, error) {
	var missing []string
	variable := func(name string) string {
		name = "NEON_TENANTS_" + name
		value := os.Getenv(name)
		if value == "" {
			missing = append(missing, name)
		}
		return value
	}
	found := settings{kubeconfig: variable("KUBECONFIG"), apiURL: variable("API_URL"), cluster: variable("CLUSTER_ID")}
	file := variable("API_KEY_FILE")
	if missing != nil {
		return settings{}, fmt.Errorf("%s must be set", strings.Join(missing, ", "))
	}
	key, err := os.ReadFile(file)
	if err != nil {
		return settings{}, err
	}
	found.apiKey = strings.TrimSpace(string(key))
	return found, nil
}

func newManager(kubeconfig string) (manager.Manager, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	// The client's own limit is left to the API server's priority and fairness, as the operator leaves it.
	config.QPS = -1
	config.UserAgent = "neon-tenants-yardstick"
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	addTypes(scheme)
	return ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: server.Options{BindAddress: "0"}, // none: nobody scrapes it
		// Nobody reads the managed fields, and they would be held for each tenant.
		Cache: cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
	})
}
