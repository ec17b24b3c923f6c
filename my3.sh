. <(sed -n 1,5p /tmp/play/my2.sh)
cd /tmp/play
F="(id, name, city, country, born, @joined, orders, balance, rating, note)"
C="if(right(@joined, 1) = 'Z', left(@joined, char_length(@joined) - 1), CAST(left(@joined, char_length(@joined) - 6) AS DATETIME(6)) - INTERVAL replace(right(@joined, 6), '+', '') HOUR_MINUTE)"
run floor "$L $F SET joined = replace(replace(@joined, 'T', ' '), 'Z', '')"
run lazy "$L $F SET joined = $C"
D=${C//@joined/nullif(@joined, \'\')}
run nullif "$L (@f0, name, city, country, @f4, @joined, @f6, @f7, @f8, note) SET id=nullif(@f0,''), born=nullif(@f4,''), orders=nullif(@f6,''), balance=nullif(@f7,''), rating=nullif(@f8,''), joined = $D"
run nullif6 "$L (id, name, city, country, @f4, @joined, @f6, @f7, @f8, note) SET born=nullif(@f4,''), orders=nullif(@f6,''), balance=nullif(@f7,''), rating=nullif(@f8,''), joined = $C"
