-- Grain: one row per order that followed an earlier one of the same customer, as known now.
-- From the company's own feed where it keeps one, else derived from purchases (is_derived).
with feed as (
    select
        order_id,
        customer_id,
        previous_order_id,
        repurchased_at,
        business_date(repurchased_at) as repurchased_date,
        product_id,
        false as is_derived
    from raw.repurchases
    where load_date <= getvariable('until')
    qualify row_number() over (partition by order_id order by load_date desc) = 1
),

derived as (
    select
        order_id,
        customer_id,
        lag(order_id) over (partition by customer_id order by ordered_at, order_id) as previous_order_id,
        ordered_at as repurchased_at,
        ordered_date as repurchased_date,
        null::varchar as product_id,
        true as is_derived
    from staging.orders
    where known_until is null and not exists (select 1 from feed)
)

select * from feed
union all by name
select * from derived
where previous_order_id is not null
order by customer_id, repurchased_at, order_id
