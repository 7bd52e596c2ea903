-- Grain: one row per order and version of it; a version is what the order's lines said together.
-- A version is known on the days known_from <= D < known_until;
-- the first delivery is history and counts from its event on.
-- Amounts are in the reporting currency by the rate of the order's day; null where a line's rate is not known.
with fx_rate as (
    select * from raw.fx_rates
    qualify row_number() over (partition by currency, rate_date order by load_date) = 1
),

foreign_line as (
    select
        delivered.order_id,
        delivered.line_no,
        delivered.load_date,
        delivered.amount * fx_rate.rate as amount
    from raw.purchases as delivered
    asof left join fx_rate
        on delivered.currency = fx_rate.currency and business_date(delivered.ordered_at) >= fx_rate.rate_date
    where delivered.currency <> getvariable('currency')
),

line as (
    select
        delivered.* exclude (amount),
        cast(
            case when delivered.currency = getvariable('currency') then delivered.amount else foreign_line.amount end
            as decimal(24, 6)
        ) as amount,
        known_from(
            business_date(delivered.ordered_at), delivered.load_date, (select min(load_date) from raw.purchases)
        ) as known_from,
        coalesce(
            list_contains(getvariable('fault_reasons'), delivered.return_reason)
            or (delivered.return_reason is null and getvariable('unexplained_returns') = 'failure'),
            false
        ) as is_fault,
        least(delivered.returned_at, delivered.cancelled_at) as undone_at
    from raw.purchases as delivered
    left join foreign_line
        on
            delivered.order_id = foreign_line.order_id
            and delivered.line_no = foreign_line.line_no
            and delivered.load_date = foreign_line.load_date
),

-- Most orders were delivered once and never changed: one version, without any search for others.
redelivered as (
    select order_id from raw.purchases
    group by order_id
    having min(load_date) < max(load_date)
),

version as (
    select
        line.order_id,
        line.known_from,
        lead(line.known_from) over (partition by line.order_id order by line.known_from) as known_until
    from line
    semi join redelivered on line.order_id = redelivered.order_id
    group by line.order_id, line.known_from
),

line_version as (
    select
        line.*,
        lead(line.known_from) over (
            partition by line.order_id, line.line_no order by line.load_date
        ) as line_known_until
    from line
    semi join redelivered on line.order_id = redelivered.order_id
),

line_of_version as (
    select
        line.*,
        cast(null as date) as version_from,
        cast(null as date) as version_until
    from line
    anti join redelivered on line.order_id = redelivered.order_id
    union all by name
    select
        line_version.* exclude (line_known_until),
        version.known_from as version_from,
        version.known_until as version_until
    from version
    inner join line_version
        on
            version.order_id = line_version.order_id
            and version.known_from >= line_version.known_from
            and (line_version.line_known_until is null or version.known_from < line_version.line_known_until)
)

select
    order_id,
    arg_min(customer_id, line_no) as customer_id,
    min(ordered_at) as ordered_at,
    business_date(min(ordered_at)) as ordered_date,
    cast(case when count(amount) = count(*) then sum(amount) end as double) as amount,
    count(*) as lines,
    cast(sum(cast(quantity as decimal(24, 6))) as double) as quantity,
    count(distinct product_id) as products,
    arg_max(category, (amount, -line_no)) as category,
    arg_min(channel, line_no) as channel,
    max(promised_at) as promised_at,
    case
        when count(delivered_at) = count(*) filter (cancelled_at is null) then max(delivered_at)
    end as delivered_at,
    min(undone_at) as returned_at,
    coalesce(
        cast(sum(amount) filter (undone_at is not null) as double) / nullif(cast(sum(amount) as double), 0),
        count(undone_at) / count(*)
    ) as returned_share,
    arg_min(return_reason, (undone_at, line_no)) as return_reason,
    min(undone_at) filter (is_fault) as fault_at,
    case when count(cancelled_at) = count(*) then max(cancelled_at) end as cancelled_at,
    coalesce(version_from, min(known_from)) as known_from,
    version_until as known_until
from line_of_version
group by order_id, version_from, version_until
