/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/exchange.h"
#include "edge/meter.h"
#include "edge/worker.h"

static enum meter_count class_of(int status)
{
    static const enum meter_count classes[] = {METER_5XX, METER_1XX, METER_2XX,
                                               METER_3XX, METER_4XX, METER_5XX};

    return status == EXCHANGE_ABORTED ? METER_ABORTED : classes[MIN(status / 100, 5)];
}

/* Times are those of the rounds of the loop in which things came: no clock is read here. */
static void count_into(struct meter *meter, const struct exchange *exchange, uint64_t now_ns)
{
    meter_add(meter, METER_REQUESTS, 1);
    meter_add(meter, class_of(exchange->status), 1);
    if (exchange->request.bytes > 0)
        meter_add(meter, METER_BYTES_IN, exchange->request.bytes);
    meter_add(meter, METER_BYTES_OUT, exchange->sent_bytes);
    if (exchange->first_byte_ns != 0)
        meter_add_to(
            &meter->first_byte[meter_bucket((exchange->first_byte_ns - exchange->start_ns) / 1000)],
            1);
    if (exchange->is_tunnel)
        meter_add(meter, METER_TUNNELS, 1);
    if (!exchange->is_tunnel || exchange->client->kind == LISTENER_TCP)
        meter_add_to(&meter->whole[meter_bucket((now_ns - exchange->start_ns) / 1000)], 1);
}

void exchange_meter(const struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    uint64_t now_ns = loop_now_ns(worker->loop);

    if (exchange->route != NULL && exchange->route->meter != 0)
        count_into(&worker->meters[exchange->route->meter], exchange, now_ns);
    if (exchange->meter != 0)
        count_into(&worker->meters[exchange->meter], exchange, now_ns);
}
