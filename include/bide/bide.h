/* bide/bide.h - the core of bide: everything that libbide itself offers. */
#ifndef BIDE_BIDE_H
#define BIDE_BIDE_H

#include <bide/barrier.h>
#include <bide/base.h>
#include <bide/broadcast.h>
#include <bide/chan.h>
#include <bide/condition.h>
#include <bide/context.h>
#include <bide/event.h>
#include <bide/file_watch.h>
#include <bide/future.h>
#include <bide/hedge.h>
#include <bide/inspect.h>
#include <bide/io.h>
#include <bide/join.h>
#include <bide/leaf.h>
#include <bide/limit.h>
#include <bide/local.h>
#include <bide/map.h>
#include <bide/mutex.h>
#include <bide/offload.h>
#include <bide/once.h>
#include <bide/oneshot.h>
#include <bide/process.h>
#include <bide/promise.h>
#include <bide/random.h>
#include <bide/rate.h>
#include <bide/retry.h>
#include <bide/runtime.h>
#include <bide/rwlock.h>
#include <bide/scope.h>
#include <bide/semaphore.h>
#include <bide/signal.h>
#include <bide/sim.h>
#include <bide/singleflight.h>
#include <bide/then.h>
#include <bide/time.h>
#include <bide/waitgroup.h>
#include <bide/watch.h>

#endif
