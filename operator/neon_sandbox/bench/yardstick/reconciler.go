package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	finalizer = "neontenants.io/project"
	tierIndex = "spec.tier"
	// workers is how many tenants are worked on at a time: as many as the trial operator had that set the targets.
	workers = 32
	// soon is when to look again at what is about to arrive in the cache.
	soon = 10 * time.Millisecond
)

// Reconciler takes tenants to where their tier wants them.
type Reconciler struct {
	client  client.Client
	neon    *Neon
	cluster string
	holder  string
	writes  *writes
}

func newReconciler(c client.Client, neon *Neon, cluster string) *Reconciler {
	host, _ := os.Hostname() // without a name the process id has to do
	holder := fmt.Sprintf("%s-%d", host, os.Getpid())
	return &Reconciler{client: c, neon: neon, cluster: cluster, holder: holder, writes: newWrites()}
}

func (r *Reconciler) setup(ctx context.Context, mgr ctrl.Manager) error {
	tierOf := func(object client.Object) []string { return []string{object.(*TenantDatabase).Spec.Tier} }
	if err := mgr.GetFieldIndexer().IndexField(ctx, &TenantDatabase{}, tierIndex, tierOf); err != nil {
		return err
	}
	// A deletion mark raises the generation, too; echoes of our own writes do not. What is gone needs no look.
	changed := predicate.And(
		predicate.GenerationChangedPredicate{},
		predicate.Funcs{DeleteFunc: func(event.DeleteEvent) bool { return false }},
	)
	return ctrl.NewControllerManagedBy(mgr).
		For(&TenantDatabase{}, builder.WithPredicates(changed)).
		Watches(&DatabaseTier{}, handler.EnqueueRequestsFromMapFunc(r.tenantsOf), builder.WithPredicates(changed)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
}

// tenantsOf asks for a look at each tenant of a tier.
func (r *Reconciler) tenantsOf(ctx context.Context, tier client.Object) []reconcile.Request {
	var found TenantDatabaseList
	ofTier := client.MatchingFields{tierIndex: tier.GetName()}
	if err := r.client.List(ctx, &found, ofTier, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "cannot list the tenants of a tier", "tier", tier.GetName())
		return nil
	}
	requests := make([]reconcile.Request, len(found.Items))
	for i := range found.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&found.Items[i])
	}
	return requests
}

// Reconcile does what is next for one tenant.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	tenant := &TenantDatabase{}
	if err := r.client.Get(ctx, request.NamespacedName, tenant); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	// A tier that changes right after a create would find a status that tells no project, and make a second one.
	if r.writes.newerThan(tenant) {
		return reconcile.Result{RequeueAfter: soon}, nil
	}
	err := r.act(ctx, tenant)
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: soon}, nil
	}
	return reconcile.Result{}, err
}

func (r *Reconciler) act(ctx context.Context, tenant *TenantDatabase) error {
	if tenant.DeletionTimestamp != nil {
		return r.remove(ctx, tenant)
	}
	tier := &DatabaseTier{}
	if err := r.client.Get(ctx, types.NamespacedName{Name: tenant.Spec.Tier}, tier); err != nil {
		return fmt.Errorf("reading the tier: %w", err)
	}
	applied := tenant.Status.Tier
	switch {
	case tenant.Status.ProjectID == "":
		return r.create(ctx, tenant, tier)
	case applied == nil || *applied != appliedTier(tier):
		return r.change(ctx, tenant, tier)
	}
	return nil
}

// create makes the project and its Secret. Each step is written down before the next one begins, as it has to be where
// a crash in between is to be recovered from.
func (r *Reconciler) create(ctx context.Context, tenant *TenantDatabase, tier *DatabaseTier) error {
	if _, declared := tenant.Annotations[intentAnnotation]; declared {
		return errors.New("a create was begun and its end is unknown; the yardstick recovers from nothing")
	}
	wanted, err := newProject(r.cluster, tenant, tier)
	if err != nil {
		return fmt.Errorf("reading tier %s: %w", tier.Name, err)
	}
	intent := newIntent(r.holder, tenant.UID)
	if err := r.declare(ctx, tenant, intent); err != nil {
		return fmt.Errorf("declaring the create: %w", err)
	}
	made, err := r.neon.CreateProject(ctx, wanted)
	if err != nil {
		return err
	}
	if err := r.patchStatus(ctx, tenant, TenantStatus{ProjectID: made.Project.ID}); err != nil {
		return fmt.Errorf("recording the project: %w", err)
	}
	secret, err := newSecret(tenant, made)
	if err != nil {
		return err
	}
	if err := r.client.Create(ctx, secret); err != nil {
		return fmt.Errorf("creating the Secret: %w", err)
	}
	status := readyStatus(tenant, tier, made)
	status.ResolvedIntent = intent.Nonce
	if err := r.patchStatus(ctx, tenant, status); err != nil {
		return fmt.Errorf("telling that the tenant is ready: %w", err)
	}
	return nil
}

// declare writes the finalizer and the intent, in one write.
func (r *Reconciler) declare(ctx context.Context, tenant *TenantDatabase, intent intent) error {
	text, err := intent.text()
	if err != nil {
		return err
	}
	return r.patchMetadata(ctx, tenant, map[string]any{
		"finalizers":  append(slices.Clone(tenant.Finalizers), finalizer),
		"annotations": map[string]string{intentAnnotation: text},
	})
}

// change gives the project the limits of a tier that has changed.
func (r *Reconciler) change(ctx context.Context, tenant *TenantDatabase, tier *DatabaseTier) error {
	limits, err := newLimits(tier)
	if err != nil {
		return fmt.Errorf("reading tier %s: %w", tier.Name, err)
	}
	if err := r.neon.UpdateProject(ctx, tenant.Status.ProjectID, limits); err != nil {
		return err
	}
	applied := appliedTier(tier)
	if err := r.patchStatus(ctx, tenant, TenantStatus{Tier: &applied}); err != nil {
		return fmt.Errorf("recording the tier: %w", err)
	}
	return nil
}

// remove deletes the project and lets the tenant go; the garbage collector takes the Secret, which it owns.
func (r *Reconciler) remove(ctx context.Context, tenant *TenantDatabase) error {
	if !slices.Contains(tenant.Finalizers, finalizer) {
		return nil
	}
	if id := tenant.Status.ProjectID; id != "" {
		if err := r.neon.DeleteProject(ctx, id); err != nil {
			return err
		}
	}
	others := slices.DeleteFunc(slices.Clone(tenant.Finalizers), func(found string) bool { return found == finalizer })
	if err := r.patchMetadata(ctx, tenant, map[string]any{"finalizers": others}); err != nil {
		return fmt.Errorf("removing the finalizer: %w", err)
	}
	r.writes.forget(tenant.UID)
	return nil
}
